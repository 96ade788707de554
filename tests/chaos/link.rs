//! One connection over a wire: two streams of frames, each with the rules of its direction.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::proxy::{Flow, Rules, Shared};
use crate::wire_format::{self, EVENT, PING};

/// Frames of one direction on their way at one time.
const IN_FLIGHT: usize = 4096;

type Frames = mpsc::Receiver<(Instant, Vec<u8>)>;

/// Why a direction ended.
#[derive(PartialEq, Eq)]
enum End {
    /// Somebody closed it.
    Closed,
    /// A trap.
    Cut,
}

/// Carries frames both ways until one side closes or a trap springs.
pub(crate) async fn carry(client: TcpStream, server: TcpStream, shared: &Shared, number: u64) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (requests, replies) = (mpsc::channel(IN_FLIGHT), mpsc::channel(IN_FLIGHT));
    // What each request was, by its xid, until its reply.
    let pending = Mutex::new(HashMap::new());
    let forth = async {
        tokio::select! {
            () = read(from_client, requests.0) => End::Closed,
            end = send_requests(requests.1, to_server, shared, &pending) => end,
        }
    };
    let back = async {
        tokio::select! {
            biased;
            end = send_replies(replies.1, to_client, shared, &pending, number) => end,
            () = read(from_server, replies.0) => End::Closed,
        }
    };
    let (end, direction): (End, fn(&Rules) -> Flow) = tokio::select! {
        end = forth => (end, |rules| rules.forth),
        end = back => (end, |rules| rules.back),
    };
    shared.sessions.lock().remove(&number);
    if end == End::Closed {
        // That it was closed is a packet too.
        let mut rules = shared.rules.subscribe();
        let _ = rules.wait_for(|rules| direction(rules) != Flow::Hold).await;
    }
}

async fn read(from: OwnedReadHalf, to: mpsc::Sender<(Instant, Vec<u8>)>) {
    let mut from = BufReader::new(from);
    while let Ok(Some(frame)) = wire_format::read_frame(&mut from).await {
        if to.send((Instant::now(), frame)).await.is_err() {
            return;
        }
    }
    // What was read must still be sent: that direction ends when its frames do.
    drop(to);
    std::future::pending::<()>().await;
}

async fn send_requests(
    mut frames: Frames,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    pending: &Mutex<HashMap<i32, i32>>,
) -> End {
    let mut rules = shared.rules.subscribe();
    let mut is_first = true;
    while let Some((arrived, frame)) = frames.recv().await {
        pass(&mut rules, shared, |rules| rules.forth, arrived).await;
        if !is_first
            && let (Some(xid), Some(opcode)) =
                (wire_format::number(&frame, 0), wire_format::number(&frame, 4))
        {
            pending.lock().insert(xid, opcode);
        }
        is_first = false;
        if to.write_all(&frame).await.is_err() {
            return End::Closed;
        }
    }
    End::Closed
}

async fn send_replies(
    mut frames: Frames,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    pending: &Mutex<HashMap<i32, i32>>,
    number: u64,
) -> End {
    let mut rules = shared.rules.subscribe();
    let mut is_first = true;
    let mut late_events: Vec<Vec<u8>> = Vec::new();
    loop {
        if !send_late(&rules, &mut late_events, &mut to).await {
            return End::Closed;
        }
        let (arrived, frame) = tokio::select! {
            next = frames.recv() => match next {
                Some(next) => next,
                None => return End::Closed,
            },
            changed = rules.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return End::Closed,
            },
        };
        pass(&mut rules, shared, |rules| rules.back, arrived).await;
        if !send_late(&rules, &mut late_events, &mut to).await {
            return End::Closed;
        }
        let mut cut_after = false;
        if is_first {
            is_first = false;
            if let Some(session) = wire_format::session(&frame) {
                shared.sessions.lock().insert(number, session);
            }
        } else if let Some(xid) = wire_format::number(&frame, 0) {
            if xid == EVENT {
                if rules.borrow().hold_events {
                    shared.held.fetch_add(1, Ordering::Relaxed);
                    late_events.push(frame);
                    continue;
                }
                cut_after = shared.traps.takes_event();
            } else if let Some(opcode) = pending.lock().remove(&xid)
                && opcode != PING
                && shared.traps.takes_reply(opcode)
            {
                return End::Cut;
            }
        }
        if to.write_all(&frame).await.is_err() {
            return End::Closed;
        }
        if cut_after {
            // A reset overtakes what the gateway has not read yet; the event is to arrive.
            sleep(Duration::from_millis(2)).await;
            return End::Cut;
        }
    }
}

/// Sends the events that were held back, unless they still are; false when that failed.
async fn send_late(rules: &watch::Receiver<Rules>, late: &mut Vec<Vec<u8>>, to: &mut OwnedWriteHalf) -> bool {
    if rules.borrow().hold_events {
        return true;
    }
    for event in late.drain(..) {
        if to.write_all(&event).await.is_err() {
            return false;
        }
    }
    true
}

/// Waits until a frame that arrived at `arrived` may go on.
async fn pass(
    rules: &mut watch::Receiver<Rules>,
    shared: &Shared,
    direction: impl Fn(&Rules) -> Flow,
    arrived: Instant,
) {
    let mut waited = false;
    loop {
        let flow = direction(&rules.borrow_and_update());
        let due = match flow {
            Flow::Pass => break,
            Flow::Hold => None,
            Flow::Delay(delay) => Some(delay.saturating_sub(arrived.elapsed())),
        };
        if due == Some(Duration::ZERO) {
            break;
        }
        waited = true;
        tokio::select! {
            () = sleep(due.unwrap_or(Duration::from_secs(3600))) => {}
            changed = rules.changed() => if changed.is_err() { break },
        }
    }
    if waited {
        shared.held.fetch_add(1, Ordering::Relaxed);
    }
}
