//! The endpoints that name one service a call: each is an edit of the sidecar's snapshot, in two dialects of old.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::edits::{done, first, heartbeat, held, mainline, post};
use crate::fixtures::{entry, one_provider, snapshot, sorted};
use crate::support::gateway::{Gateway, Options, accepted};
use crate::support::znodes::Znodes;
use crate::support::zookeeper;

async fn gateway() -> (Gateway, Znodes) {
    let root = zookeeper::shared().await;
    (Options::new(&root).start().await, Znodes::connect(&root).await)
}

#[tokio::test]
async fn mainline_publishes_and_unpublishes_one_service_a_call() {
    let (gateway, znodes) = gateway().await;
    done(&gateway, "/pub", &mainline("demo.Echo", "blue", "1.0.0")).await;
    done(&gateway, "/pub", &mainline("demo.Other", "", "")).await;
    done(&gateway, "/sub", &mainline("demo.Used", "blue", "")).await;
    let urls = znodes.urls("demo.Echo", "providers").await;
    // Where it would have connected to is not where it is registered: that is the gateway's own ensemble.
    assert!(urls.len() == 1 && urls[0].starts_with("dubbo://127.0.0.1:20882/demo.Echo?"), "{urls:?}");
    assert!(urls[0].contains("&group=blue&") && urls[0].contains("&methods=greet&"), "{urls:?}");
    assert!(urls[0].ends_with("&version=1.0.0"), "{urls:?}");
    let bare = znodes.urls("demo.Other", "providers").await;
    assert!(!bare[0].contains("group") && !bare[0].contains("version"), "{bare:?}");
    let consumers = znodes.urls("demo.Used", "consumers").await;
    assert!(consumers[0].starts_with("consumer://127.0.0.1/demo.Used?"), "{consumers:?}");
    for path in znodes.tree("/").await.keys() {
        assert!(!path.contains("192.0.2.1"), "{path}");
    }
    done(&gateway, "/unpub", &mainline("demo.Echo", "blue", "1.0.0")).await;
    done(&gateway, "/unsub", &mainline("demo.Used", "blue", "")).await;
    assert!(znodes.urls("demo.Echo", "providers").await.is_empty());
    assert!(znodes.urls("demo.Used", "consumers").await.is_empty());
    assert_eq!(znodes.urls("demo.Other", "providers").await, bare);
}

#[tokio::test]
async fn the_first_generation_is_told_everything_that_is_registered() {
    let (gateway, znodes) = gateway().await;
    let reply = done(&gateway, "/pub", &first("demo.Echo")).await;
    assert_eq!(reply, json!({"code": 0, "msg": "publish success", "pub_interface_list": ["demo.Echo"]}));
    let placed = json!({"service": {"interface": "demo.Other", "methods": ["a"], "params": {"group": "g"}},
        "host": "127.0.0.1", "port": 20990});
    // It names no application, and the host that it names is where the caller is known for.
    let reply = done(&gateway, "/pub", &placed).await;
    assert_eq!(sorted(&reply["pub_interface_list"]), ["demo.Echo", "demo.Other"]);
    let reply = done(&gateway, "/sub", &first("demo.Used")).await;
    assert_eq!(reply["sub_interface_list"], json!(["demo.Used"]));
    let urls = znodes.urls("demo.Other", "providers").await;
    assert!(urls[0].starts_with("dubbo://127.0.0.1:20990/") && urls[0].contains("group=g"), "{urls:?}");
    let alive = heartbeat(&gateway).await;
    assert_eq!((&alive["code"], &alive["msg"]), (&json!(0), &json!("ack success")), "{alive}");
    assert_eq!(sorted(&alive["pub_interface_list"]), ["demo.Echo", "demo.Other"]);
    assert_eq!(alive["sub_interface_list"], json!(["demo.Used"]));
    let reply = done(&gateway, "/unpub", &first("demo.Other")).await;
    assert_eq!(reply["pub_interface_list"], json!(["demo.Echo"]));
    done(&gateway, "/unsub", &first("demo.Used")).await;
    let reply = done(&gateway, "/unpub", &first("demo.Echo")).await;
    assert_eq!(reply, json!({"code": 0, "msg": "unpub success"}));
    assert_eq!(heartbeat(&gateway).await, json!({"code": 0, "msg": "ack success"}));
}

#[tokio::test]
async fn only_what_was_meant_is_removed() {
    let (gateway, znodes) = gateway().await;
    for (group, version) in [("", ""), ("", "1"), ("", "2"), ("g", "1")] {
        done(&gateway, "/pub", &mainline("demo.Echo", group, version)).await;
    }
    let count = async || znodes.urls("demo.Echo", "providers").await.len();
    for (group, version, left) in [("", "1", 3), ("", "1", 3), ("h", "2", 3), ("", "", 2)] {
        done(&gateway, "/unpub", &mainline("demo.Echo", group, version)).await;
        assert_eq!(count().await, left, "{group} {version}");
    }
    let with = |params: Value, port: u16| json!({"service": {"interface": "demo.Echo", "params": params}, "port": port});
    done(&gateway, "/pub", &with(json!({"group": "g"}), 1000)).await;
    done(&gateway, "/unpub", &with(json!({}), 1001)).await;
    done(&gateway, "/unpub", &with(json!({"version": "3"}), 0)).await;
    assert_eq!(count().await, 3);
    done(&gateway, "/unpub", &with(json!({"group": "g"}), 1000)).await;
    assert_eq!(count().await, 2);
    done(&gateway, "/unpub", &first("demo.Echo")).await;
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let (gateway, znodes) = gateway().await;
    let untouched = znodes.history().await;
    for path in ["/unpub", "/unsub"] {
        done(&gateway, path, &first("demo.Nothing")).await;
        done(&gateway, path, &mainline("demo.Nothing", "", "")).await;
    }
    assert_eq!(heartbeat(&gateway).await, json!({"code": 0, "msg": "ack success"}));
    assert_eq!(znodes.history().await, untouched, "somebody who registers nothing leaves no trace");
    done(&gateway, "/pub", &mainline("demo.Echo", "", "1")).await;
    let before = (znodes.history().await, held(&gateway).await);
    for _ in 0..3 {
        done(&gateway, "/pub", &mainline("demo.Echo", "", "1")).await;
        done(&gateway, "/unpub", &mainline("demo.Echo", "", "2")).await;
        done(&gateway, "/unsub", &first("demo.Echo")).await;
        heartbeat(&gateway).await;
    }
    assert_eq!((znodes.history().await, held(&gateway).await), before);
    assert_eq!(before.1["version"], 1);
}

#[tokio::test]
async fn a_refused_edit_changes_nothing_and_says_why_in_the_form_of_its_client() {
    let (gateway, znodes) = gateway().await;
    done(&gateway, "/pub", &first("demo.Echo")).await;
    let before = znodes.history().await;
    let of_mainline =
        json!({"registry": {"type": "nacos", "addr": "h:1"}, "service": {"interface": "a", "methods": []}});
    for (path, prefix) in [
        ("/pub", "publish fail, err: "),
        ("/unpub", "unpub fail, err: "),
        ("/sub", "subscribe fail, err: "),
        ("/unsub", "unsubscribe fail, err: "),
    ] {
        let reply = post(&gateway, path, &of_mainline).await.json();
        let expected = format!("{prefix}registry.type: must be zookeeper, not \"nacos\"");
        assert_eq!(reply, json!({"err_no": 1, "err_msg": expected}));
        let reply = post(&gateway, path, &json!({"service": {}})).await.json();
        assert_eq!(reply, json!({"code": 1, "msg": format!("{prefix}service.interface: is missing")}));
        let plain = gateway.request(Method::POST, path).header("content-type", "text/plain").body("{}");
        let reply = plain.send().await.ok().json();
        assert!(reply["msg"].as_str().unwrap().starts_with(&format!("{prefix}Content-Type: ")), "{reply}");
        let get = gateway.request(Method::GET, path).send().await;
        assert_eq!((get.status, get.header("allow")), (405, Some("POST")), "{get:?}");
    }
    let long = gateway.request(Method::GET, "/heartbeat").header("x-registrant-id", &"x".repeat(201));
    let reply = long.send().await.ok().json();
    assert!(reply["code"] == 1 && reply["msg"].as_str().unwrap().contains("X-Registrant-Id"), "{reply}");
    assert_eq!(znodes.history().await, before);
}

#[tokio::test]
async fn an_edit_adds_to_what_was_synced_and_a_sync_replaces_what_was_edited() {
    let (gateway, znodes) = gateway().await;
    let own = snapshot(&[entry("demo.Synced", "127.0.0.1", 1000)], &[]);
    let sync = async || {
        let answer = gateway.request(Method::POST, "/registry/info/sync").json(&own).send().await;
        accepted(&answer)
    };
    assert_eq!(sync().await, 1);
    // The caller is known for the one sidecar that it synced for.
    let reply = done(&gateway, "/pub", &first("demo.Edited")).await;
    assert_eq!(sorted(&reply["pub_interface_list"]), ["demo.Edited", "demo.Synced"]);
    assert_eq!(held(&gateway).await["version"], 2);
    assert_eq!(sync().await, 3);
    assert!(znodes.urls("demo.Edited", "providers").await.is_empty());
    assert_eq!(znodes.urls("demo.Synced", "providers").await.len(), 1);
}

#[tokio::test]
async fn whose_snapshot_it_is_follows_from_header_application_and_address() {
    let (gateway, znodes) = gateway().await;
    let header = async |path: &str, id: &str, body: &Value| {
        let request = gateway.request(Method::POST, path).header("x-registrant-id", id).json(body);
        request.send().await.ok().json()
    };
    // In its own name once, and it stays so when others come to the same address.
    done(&gateway, "/pub", &first("demo.Own")).await;
    let named = header("/pub", "named", &first("demo.Named")).await;
    assert_eq!(named["pub_interface_list"], json!(["demo.Named"]));
    let mut of_shop = first("demo.Shop");
    of_shop["service"]["params"] = json!({"application": "shop"});
    let shop = done(&gateway, "/pub", &of_shop).await;
    assert_eq!(shop["pub_interface_list"], json!(["demo.Shop"]));
    let own = done(&gateway, "/sub", &first("demo.Used")).await;
    assert_eq!(own["pub_interface_list"], json!(["demo.Own"]));
    assert_eq!(heartbeat(&gateway).await["pub_interface_list"], json!(["demo.Own"]));
    // Nobody takes away what is another's.
    done(&gateway, "/unpub", &mainline("demo.Shop", "", "")).await;
    assert_eq!(znodes.urls("demo.Shop", "providers").await.len(), 1);
    assert_eq!(
        header("/unpub", "shop@127.0.0.1", &first("demo.Shop")).await,
        json!({"code": 0, "msg": "unpub success"})
    );
    assert!(znodes.urls("demo.Shop", "providers").await.is_empty());
}

#[tokio::test]
async fn an_address_of_several_sidecars_has_to_say_which_one_it_means() {
    let (gateway, _) = gateway().await;
    for id in ["one", "other"] {
        gateway.synced(id, &one_provider(&format!("demo.{id}"), 1)).await;
    }
    for (body, field) in [(first("demo.Echo"), "msg"), (mainline("demo.Echo", "", ""), "err_msg")] {
        let reply = post(&gateway, "/pub", &body).await.json();
        assert!(reply[field].as_str().unwrap().contains("X-Registrant-Id"), "{reply}");
    }
    let reply = heartbeat(&gateway).await;
    assert!(reply["code"] == 1 && reply["msg"].as_str().unwrap().contains("2 sidecars"), "{reply}");
}

#[tokio::test]
async fn the_port_of_what_names_none_and_the_number_of_entries_are_configured() {
    let root = zookeeper::shared().await;
    let options = Options::new(&root).set("mosn", "export_port", "12345").set("mosn", "max_entries", "2");
    let gateway = options.start().await;
    let znodes = Znodes::connect(&root).await;
    done(&gateway, "/pub", &mainline("demo.A", "", "")).await;
    done(&gateway, "/pub", &first("demo.B")).await;
    for interface in ["demo.A", "demo.B"] {
        let urls = znodes.urls(interface, "providers").await;
        assert!(urls[0].starts_with(&format!("dubbo://127.0.0.1:12345/{interface}?")), "{urls:?}");
    }
    let reply = post(&gateway, "/sub", &first("demo.C")).await.json();
    assert!(reply["code"] == 1 && reply["msg"].as_str().unwrap().contains("max num is 2"), "{reply}");
    done(&gateway, "/pub", &first("demo.B")).await;
    done(&gateway, "/unpub", &first("demo.B")).await;
    done(&gateway, "/sub", &first("demo.C")).await;
}
