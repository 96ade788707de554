//! Wires between the servers of an ensemble, so that it can be parted without any right that root has.
//!
//! Server `i` is configured to reach server `j` over a wire of its own. There is one thing in the way: who dials for an
//! election tells its own address first, and a server with a higher id hangs up and dials back there, past the wire.
//! That address is therefore replaced by the one of the wire that leads back. Both are texts of the same length.

use crate::support::ports::free_port;
use crate::support::proxy::{Mode, Proxy};
use crate::support::zookeeper::ZooKeeper;

/// All wires of an ensemble.
pub struct PeerWires {
    /// From whom, to whom, and the two wires: for the quorum and for elections.
    wires: Vec<(usize, usize, [Proxy; 2])>,
}

impl PeerWires {
    /// Puts a wire between any two servers of an ensemble that does not run yet.
    pub async fn start(zookeeper: &ZooKeeper) -> Self {
        let servers = 0..zookeeper.count();
        // Chosen first: the wire one way has to know the port of the wire the other way.
        let ports: Vec<Vec<(u16, u16)>> =
            servers.clone().map(|_| servers.clone().map(|_| (free_port(), free_port())).collect()).collect();
        let mut wires = Vec::new();
        for from in servers.clone() {
            let mut peers = ports[from].clone();
            peers[from] = zookeeper.peer_ports(from);
            zookeeper.configure(from, &peers);
            for to in servers.clone().filter(|to| *to != from) {
                let (quorum, election) = zookeeper.peer_ports(to);
                let told = format!("127.0.0.1:{}", zookeeper.peer_ports(from).1);
                let back = format!("127.0.0.1:{}", ports[to][from].1);
                let quorum = Proxy::start_at(ports[from][to].0, quorum, None).await;
                let election = Proxy::start_at(ports[from][to].1, election, Some((told, back))).await;
                wires.push((from, to, [quorum, election]));
            }
        }
        Self { wires }
    }

    /// Parts server `index` from all others: nothing arrives, and nobody is told.
    pub fn isolate(&self, index: usize) {
        self.set(Mode::Silence, |from, to| from == index || to == index);
    }

    /// Joins them all again. Connections from before are closed: their ends have long given them up.
    pub fn join(&self) {
        self.set(Mode::Pass, |_, _| true);
        for (_, _, wires) in &self.wires {
            wires.iter().for_each(Proxy::cut);
        }
    }

    fn set(&self, mode: Mode, concerns: impl Fn(usize, usize) -> bool) {
        for (_, _, wires) in self.wires.iter().filter(|(from, to, _)| concerns(*from, *to)) {
            wires.iter().for_each(|wire| wire.set(mode));
        }
    }
}
