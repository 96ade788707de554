// Who has answered lately, told whenever that changes; and each call that nobody answers after one that was answered.
"use strict";

// Time between two calls, in milliseconds.
const INTERVAL = 10;

// Calls that are looked back upon: enough that each of a few providers has been chosen.
const WINDOW = 50;

const GREETING = "hello dubbo-js from ";

let last = [];
let told = "";
let failed = false;

function answered(answer) {
  if (typeof answer !== "string" || !answer.startsWith(GREETING)) {
    return unanswered(`a wrong answer: ${answer}`);
  }
  failed = false;
  last = [...last, answer.slice(GREETING.length)].slice(-WINDOW);
  const all = [...new Set(last)].sort().join(", ");
  if (all !== told) {
    console.log(`> answered by ${all}`);
    told = all;
  }
}

function unanswered(error) {
  if (!failed) {
    console.log(`> no answer: ${String(error).replaceAll("\n", " ")}`);
  }
  [last, told, failed] = [[], "", true];
}

// Calls for ever; `ask` is told the name to be greeted by.
async function callOnAndOn(ask) {
  for (;;) {
    try {
      answered(await ask("dubbo-js"));
    } catch (error) {
      unanswered(error);
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

module.exports = { callOnAndOn };
