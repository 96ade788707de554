//! The parts of the protocol that hold it together, each of which can be left out.

/// One rule without which something breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A document is changed or relied on only in the version that the plan was made from.
    DocumentVersion,
    /// An instance, whose version begins anew when it is registered anew, is changed only by who had marked it before.
    MarkFirst,
    /// A lease with a mark that the plan does not know cannot be deleted.
    NotEmpty,
    /// Success is answered after the commit.
    AnswerAfterCommit,
    /// What a change relies on of the lease is checked with it.
    ChangeChecksMark,
    /// Registering what seems to be registered already asks ZooKeeper whether it is.
    RegisterAsks,
    /// A registration whose lease is missing ends only if the lease has not been restored meanwhile.
    LeaseStaysAbsent,
    /// Whatever seems not to exist is looked for once more with everything that others have committed.
    CatchUpBeforeAbsent,
    /// Taking down compares the time of the last sign of life with the one that it was decided from.
    TimeAgain,
    /// Taking down announces itself before it compares the times.
    AnnounceFirst,
    /// A heartbeat looks whether the registrant is being taken down.
    LookForLapse,
    /// A heartbeat stores its time before it looks.
    StoreTimeFirst,
    /// A heartbeat that is taken without a connection looks as well.
    LookWhileAway,
    /// A heartbeat is taken without a connection only for half a time to live.
    AwayBriefly,
    /// When the outcome of taking down is unknown, the next heartbeat waits until it is decided.
    WaitForOutcome,
    /// Acting on silence once more waits for it as well.
    DecideFirst,
    /// A registration that was taken down but not read back counts as undecided.
    ReadBack,
    /// The name of a replica is new for every session.
    NewName,
    /// A transaction is sent only over the session whose mark it writes.
    SameSession,
    /// A mark counts only while its replica lives.
    MarkNeedsReplica,
    /// A mark is never made without its lease.
    MarkNeedsLease,
    /// The mark for a heartbeat is made together with a check of the document.
    MarkChecksDocument,
    /// Time counts only while the replica is connected, and anew after every break.
    ListenAnew,
    /// What was decided before a break is not carried out after it.
    DecideAnew,
    /// An orphan is watched for a whole time to live.
    WatchOrphans,
    /// A lease that was missing and is back is not the one that silence was found about.
    NewLeaseCountsAnew,
    /// The death of another replica that had marked gives its registrants a whole time to live.
    WatchDeadMarks,
    /// A mark is swept only when its replica is missing still after the catalog has caught up.
    SweepCatchesUp,
    /// Taking down deletes only marks that were dead when it was decided.
    KnownMarks,
    /// A lease is restored together with a check of the document.
    RepairChecksDocument,
    /// A document is restored together with a check of the lease.
    RestoreChecksLease,
    /// A lease is restored with a mark only by who hears the registrant.
    RepairMarksTheHeard,
}

impl Guard {
    /// Every guard.
    pub const ALL: [Self; 32] = [
        Self::DocumentVersion,
        Self::MarkFirst,
        Self::NotEmpty,
        Self::AnswerAfterCommit,
        Self::ChangeChecksMark,
        Self::RegisterAsks,
        Self::LeaseStaysAbsent,
        Self::CatchUpBeforeAbsent,
        Self::TimeAgain,
        Self::AnnounceFirst,
        Self::LookForLapse,
        Self::StoreTimeFirst,
        Self::LookWhileAway,
        Self::AwayBriefly,
        Self::WaitForOutcome,
        Self::DecideFirst,
        Self::ReadBack,
        Self::NewName,
        Self::SameSession,
        Self::MarkNeedsReplica,
        Self::MarkNeedsLease,
        Self::MarkChecksDocument,
        Self::ListenAnew,
        Self::DecideAnew,
        Self::WatchOrphans,
        Self::NewLeaseCountsAnew,
        Self::WatchDeadMarks,
        Self::SweepCatchesUp,
        Self::KnownMarks,
        Self::RepairChecksDocument,
        Self::RestoreChecksLease,
        Self::RepairMarksTheHeard,
    ];
}

/// Which guards are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards(u64);

impl Guards {
    /// All of them: the protocol as it is.
    pub fn all() -> Self {
        Self(u64::MAX)
    }

    /// All but one.
    pub fn without(guard: Guard) -> Self {
        Self(!(1 << guard as u64))
    }

    /// Whether it is in force.
    pub fn has(self, guard: Guard) -> bool {
        self.0 & (1 << guard as u64) != 0
    }
}
