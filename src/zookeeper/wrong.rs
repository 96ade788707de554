//! How transactions go wrong where a fail point says so; see `crate::failpoints`.

use std::time::Duration;

use tokio::time::sleep;
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions};

use super::connection::Connection;
use super::sender::add;
use super::transaction::{Operation, Transaction};

/// After which time something that was deleted is put back.
const LATER: Duration = Duration::from_millis(1_500);

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

impl Connection {
    /// Carries `transaction` out some time, and tells nobody what came of it.
    pub(super) fn commit_later(&self, transaction: &Transaction) {
        let (client, transaction) = (self.client.clone(), transaction.clone());
        tokio::spawn(async move { attempt(&client, &transaction).await });
    }

    /// Puts the providers back that `transaction` is about to delete, once they are gone.
    pub(super) async fn put_back_later(&self, transaction: &Transaction) {
        for operation in &transaction.operations {
            let Operation::Delete { path, .. } = operation else { continue };
            if !path.contains("/providers/") {
                continue;
            }
            if let Ok((data, _)) = self.client.get_data(path).await {
                let (client, path) = (self.client.clone(), path.clone());
                tokio::spawn(async move {
                    sleep(LATER).await;
                    let _ = client.create(&path, &data, &PERSISTENT).await;
                });
            }
        }
    }
}

async fn attempt(client: &Client, transaction: &Transaction) {
    let mut writer = client.new_multi_writer();
    for operation in &transaction.operations {
        if add(&mut writer, operation, &PERSISTENT).is_err() {
            return;
        }
    }
    let _ = writer.commit().await;
}
