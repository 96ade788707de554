//! The tests' own tools: what they promise to the other tests.

use std::time::Duration;

use zookeeper_client::{Acls, CreateMode};

use crate::support::eventually::eventually;
use crate::support::process::Process;
use crate::support::proxy::{Mode, Proxy};
use crate::support::scratch::Scratch;
use crate::support::watcher::{Seen, Watcher};
use crate::support::wire::Operation::{Reading, Transaction};
use crate::support::wire::Wire;
use crate::support::znodes::Znodes;
use crate::support::zookeeper::{self, ZooKeeper, four_letters};

#[tokio::test]
async fn a_killed_zookeeper_comes_back_with_its_data_on_its_port() {
    let mut zookeeper = ZooKeeper::single().await;
    let connect = zookeeper.connect_string();
    Znodes::connect(&connect).await.create("/kept/child", "data").await;
    zookeeper.kill(0);
    assert!(four_letters(zookeeper.port(), "ruok").await.is_err());
    zookeeper.restart(0).await;
    assert_eq!(zookeeper.connect_string(), connect);
    assert_eq!(Znodes::connect(&connect).await.data("/kept/child").await, "data");
}

#[tokio::test]
async fn an_ensemble_elects_another_leader_after_its_leader_is_killed() {
    let mut zookeeper = ZooKeeper::ensemble().await;
    let first = zookeeper.leader().await;
    zookeeper.kill(first);
    let second = zookeeper.leader().await;
    assert_ne!(first, second);
    Znodes::connect(&zookeeper.connect_string()).await.create("/written/after", "").await;
    zookeeper.restart(first).await;
}

#[tokio::test]
async fn a_paused_zookeeper_answers_again_when_it_goes_on() {
    let zookeeper = ZooKeeper::single().await;
    zookeeper.pause(0);
    // A process of many threads stops one after the other.
    eventually("it does not answer", Duration::from_secs(10), async || {
        match four_letters(zookeeper.port(), "ruok").await {
            Ok(answer) => Err(answer),
            Err(_) => Ok(()),
        }
    })
    .await;
    zookeeper.go_on(0);
    assert_eq!(four_letters(zookeeper.port(), "ruok").await.unwrap(), "imok");
}

#[tokio::test]
async fn every_place_in_the_shared_zookeeper_is_empty_and_apart() {
    let (one, other) = (zookeeper::shared().await, zookeeper::shared().await);
    Znodes::connect(&one).await.create("/mine", "").await;
    assert_eq!(Znodes::connect(&one).await.children("/").await, ["mine"]);
    assert!(Znodes::connect(&other).await.children("/").await.is_empty());
}

#[tokio::test]
async fn the_witness_sees_what_happens_while_it_is_connected() {
    let root = zookeeper::shared().await;
    let znodes = Znodes::connect(&root).await;
    znodes.create("/dubbo/before", "").await;
    let watcher = Watcher::start(&root, "/dubbo").await;
    znodes.create("/dubbo/new", "").await;
    znodes.delete("/dubbo/new").await;
    let expected = [Seen::Created("/dubbo/new".into()), Seen::Deleted("/dubbo/new".into())];
    eventually("both events", Duration::from_secs(5), async || {
        let seen = watcher.seen();
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

#[tokio::test]
async fn the_witness_notices_what_happened_while_it_was_cut_off() {
    let zookeeper = ZooKeeper::single().await;
    let wire = Proxy::start(zookeeper.port()).await;
    let znodes = Znodes::connect(&zookeeper.connect_string()).await;
    for name in ["stays", "goes", "blinks"] {
        znodes.create(&format!("/dubbo/{name}"), "").await;
    }
    let watcher = Watcher::start(&wire.address().to_string(), "/dubbo").await;
    wire.set(Mode::Refuse);
    znodes.delete("/dubbo/goes").await;
    znodes.delete("/dubbo/blinks").await;
    znodes.create("/dubbo/blinks", "").await;
    wire.set(Mode::Pass);
    eventually("the differences", Duration::from_secs(20), async || {
        let (mut deleted, created) = (watcher.deleted(""), watcher.created(""));
        deleted.sort();
        if deleted == ["/dubbo/blinks", "/dubbo/goes"] && created == ["/dubbo/blinks"] {
            Ok(())
        } else {
            Err(format!("deleted {deleted:?}, created {created:?}"))
        }
    })
    .await;
    watcher.forget();
    znodes.delete("/dubbo/stays").await;
    eventually("events after the reconnect", Duration::from_secs(5), async || {
        if watcher.deleted("") == ["/dubbo/stays"] { Ok(()) } else { Err("not seen") }
    })
    .await;
}

#[tokio::test]
async fn the_wire_can_be_cut_and_silenced() {
    let zookeeper = ZooKeeper::single().await;
    let wire = Proxy::start(zookeeper.port()).await;
    assert_eq!(four_letters(wire.address().port(), "ruok").await.unwrap(), "imok");
    wire.set(Mode::Silence);
    assert!(four_letters(wire.address().port(), "ruok").await.is_err());
    wire.set(Mode::Pass);
    let znodes = Znodes::connect(&wire.address().to_string()).await;
    let before = znodes.client().session_id();
    wire.cut();
    let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
    eventually("the session goes on after a cut", Duration::from_secs(10), async || {
        znodes.client().create("/after", b"", &options).await
    })
    .await;
    assert_eq!(znodes.client().session_id(), before);
}

#[tokio::test]
async fn the_wire_can_be_held_between_any_two_messages() {
    let root = zookeeper::shared().await;
    let (wire, through) = Wire::start(&root).await;
    let (near, far) = (Znodes::connect(&through).await, Znodes::connect(&root).await);
    near.create("/known", "").await;
    let mut writer = near.client().new_multi_writer();
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    writer.add_create("/written", b"", &options).unwrap();
    wire.hold_requests(&[(Transaction, "/written")]);
    near.create("/before", "").await;
    assert!(!wire.is_holding());
    let (written, ()) = futures::join!(writer.commit(), async {
        eventually("the transaction is held", Duration::from_secs(5), async || {
            if wire.is_holding() { Ok(()) } else { Err("it is not") }
        })
        .await;
        assert!(!far.exists("/written").await);
        wire.hold_replies(&[(Reading, "/known")]);
    });
    written.unwrap();
    assert!(far.exists("/written").await);
    let mut reader = near.client().new_multi_reader();
    reader.add_get_data("/known").unwrap();
    let (read, ()) = futures::join!(reader.commit(), async {
        eventually("the reply is held", Duration::from_secs(5), async || {
            if wire.is_holding() { Ok(()) } else { Err("it is not") }
        })
        .await;
        wire.release();
    });
    assert_eq!(read.unwrap().len(), 1);
    assert_eq!([(Reading, "/known"), (Reading, "/written")].map(|request| wire.count(request)), [1, 0]);
}

#[test]
fn a_process_that_is_dropped_is_gone_and_an_exit_code_is_told() {
    let scratch = Scratch::new("process");
    let log = scratch.path().join("log");
    let script = |text: &str| ["-c".into(), text.into()];
    let mut process = Process::spawn("sh", &script("echo hello; exit 7"), &log);
    assert_eq!(process.wait(Duration::from_secs(5)), 7);
    assert_eq!(process.output(), "hello\n");
    let mut sleeper = Process::spawn("sleep", &["600".into()], &log);
    assert_eq!(sleeper.exit_code(), None);
    sleeper.kill();
    assert_eq!(sleeper.exit_code(), Some(137));
}
