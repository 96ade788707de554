//! From what a catalog shows and what should be to the transaction between the two.

use crate::guards::{Guard, Guards};
use crate::world::{Ask, Catalog, Replica};
use crate::znodes::{DocumentStep, LeaseStep, Names, Transaction};

/// What a plan says.
pub enum Plan {
    /// Everything is as it should be.
    Nothing,
    /// What is asked for needs something that does not exist.
    Absent,
    /// What the catalog lacks must be looked at first.
    Uncertain,
    /// This is to be done before it is planned anew.
    Prepare(Transaction),
    /// This is to be done.
    Send(Transaction),
}

/// What a request of registrant `who` changes; `certain` when the catalog was caught up for it.
pub fn request(catalog: &Catalog, who: usize, ask: Ask, name: Names, certain: bool, guards: Guards) -> Plan {
    let document = catalog.documents[who];
    let lease = catalog.leases[who];
    let before = document.map_or(0, |document| document.urls);
    let mut transaction = Transaction::default();
    let after = match ask {
        Ask::Sync(urls) | Ask::Register(urls) => urls,
        Ask::Unregister => 0,
        Ask::Heartbeat => before,
    };
    if let (Ask::Register(_) | Ask::Unregister, Some(document), Some(marks)) = (ask, document, lease)
        && marks & name == 0
        && guards.has(Guard::MarkFirst)
    {
        transaction.document = DocumentStep::Check(document);
        transaction.mark = name;
        return Plan::Prepare(transaction);
    }
    (transaction.add, transaction.remove) = (after & !before, before & !after);
    transaction.document = match (ask, document) {
        (Ask::Unregister | Ask::Heartbeat, None) => return Plan::Absent,
        (Ask::Sync(_) | Ask::Register(_), None) => DocumentStep::Create(after),
        (Ask::Unregister, Some(document)) => DocumentStep::Delete(document),
        (Ask::Heartbeat, Some(_)) if !guards.has(Guard::MarkChecksDocument) => DocumentStep::None,
        (_, Some(document)) if before == after => DocumentStep::Check(document),
        (_, Some(document)) => DocumentStep::Set(document, after),
    };
    if after != 0 {
        mark(lease, name, &mut transaction);
    } else if let Some(marks) = lease {
        (transaction.lease, transaction.unmark) = (LeaseStep::Delete, marks);
    } else if before != 0 && !certain {
        return Plan::Uncertain;
    } else if before != 0 && guards.has(Guard::LeaseStaysAbsent) {
        transaction.lease = LeaseStep::CheckAbsent;
    }
    if after != 0 && transaction.mark == 0 && guards.has(Guard::ChangeChecksMark) {
        transaction.lease = LeaseStep::CheckMark(name);
    }
    let asks = matches!(ask, Ask::Register(_)) && guards.has(Guard::RegisterAsks);
    if transaction.only_checks() && !asks { Plan::Nothing } else { Plan::Send(transaction) }
}

/// Makes sure that there is a lease with the mark `name`.
pub fn mark(lease: Option<Names>, name: Names, transaction: &mut Transaction) {
    if lease.is_none() {
        transaction.lease = LeaseStep::Create;
    }
    if lease.is_none_or(|marks| marks & name == 0) {
        transaction.mark = name;
    }
}

/// What `replica` does about the silence of registrant `who`. `keep` says that its document stays, empty; `certain` that
/// the catalog was caught up for this.
pub fn lapse(replica: &Replica, who: usize, keep: bool, certain: bool, guards: Guards) -> Plan {
    let Some(marks) = replica.catalog.leases[who] else { return Plan::Nothing };
    let mut transaction = Transaction::default();
    let dead = dead_marks(replica, marks, guards);
    if marks & !dead & !replica.name != 0 {
        transaction.unmark = marks & replica.name;
        return if transaction.unmark == 0 { Plan::Nothing } else { Plan::Send(transaction) };
    }
    let ear = &replica.ears[who];
    if guards.has(Guard::KnownMarks) && (!ear.alone || dead & !ear.noticed != 0) {
        return Plan::Nothing;
    }
    (transaction.lease, transaction.unmark) = (LeaseStep::Delete, marks);
    match replica.catalog.documents[who] {
        None if !certain => return Plan::Uncertain,
        None => {}
        Some(document) if document.urls != 0 || !keep => {
            transaction.remove = document.urls;
            transaction.document =
                if keep { DocumentStep::Set(document, 0) } else { DocumentStep::Delete(document) };
        }
        Some(document) => transaction.document = DocumentStep::Check(document),
    }
    Plan::Send(transaction)
}

/// The marks on a lease that are neither the replica's own nor count.
pub fn dead_marks(replica: &Replica, marks: Names, guards: Guards) -> Names {
    if guards.has(Guard::MarkNeedsReplica) { replica.dead_marks(marks) } else { 0 }
}
