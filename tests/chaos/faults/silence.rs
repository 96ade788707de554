//! Most registrants fall silent in the same moment and do not return.

use std::time::Duration;

use futures::FutureExt;
use rand::rngs::StdRng;
use reqwest::Method;

use super::{Fault, Step, Trouble};
use crate::checker::expectations::Expectations;
use crate::support::client::Request;
use crate::world::{Setup, TIME_TO_LIVE, World};

/// Time after a time to live within which an idle machine notices that too many are silent.
const NOTICED: Duration = Duration::from_secs(10);

/// F23: mass silence is held, and believed in the end.
pub struct Mass;

impl Fault for Mass {
    fn id(&self) -> &'static str {
        "F23"
    }

    fn title(&self) -> String {
        "three quarters of all registrants fall silent at once".into()
    }

    fn expectations(&self) -> Expectations {
        Expectations { fall_silent_percent: 75, lasts: Duration::ZERO, ..Expectations::default() }
    }

    fn prepare(&self, setup: &mut Setup) {
        // Each gateway looks after some of them only.
        setup.settings.push(("mass_silence", "at_least", "3".into()));
    }

    fn inject<'a>(&'a mut self, world: &'a mut World, _random: &'a mut StdRng) -> Step<'a> {
        async move {
            let end = tokio::time::Instant::now() + TIME_TO_LIVE + NOTICED;
            while tokio::time::Instant::now() < end {
                for (index, address) in world.ops().into_iter().enumerate() {
                    let probe = Request::new(Method::GET, address, "/readyz?verbose").try_send().await;
                    let text = probe.map(|answer| answer.body).unwrap_or_default();
                    if let Some(line) = text.lines().find(|line| line.contains("mass silence")) {
                        return Ok(vec![format!("gateway {index}: {line}")]);
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(Trouble::Broken("nobody held the registrations of those who fell silent at once".into()))
        }
        .boxed_local()
    }
}
