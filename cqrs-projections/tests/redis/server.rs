//! Servers of a test's own, which end with it.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue, RedisResult};
use uuid::Uuid;

/// A server on a port and in a directory of its own. It is killed when this is dropped, and when the process of the test ends in
/// whatever way: then nobody holds the pipe any more that its keeper reads from. The directory goes with it.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    port: u16,
    options: Vec<String>,
    keeper: Option<Child>,
}

const KEEPER: &str = "redis-server \"$@\" >log 2>&1 </dev/null & server=$!
    read -r word
    kill -KILL $server
    wait $server
    test \"$word\" = keep || rm -rf \"$PWD\"";

/// A port that was free just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub fn start(options: &[&str]) -> Self {
        let directory = std::env::temp_dir().join(format!("cqrs-redis-{}", Uuid::now_v7()));
        std::fs::create_dir(&directory).unwrap();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { directory, port: free_port(), options, keeper: None };
        server.start_again();
        server
    }

    /// Starts it where it stopped, and waits until it answers.
    pub fn start_again(&mut self) {
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--port"])
            .arg(self.port.to_string())
            .args(&self.options)
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        until("the server answers", || self.try_command::<String>(&["PING"]).is_ok());
    }

    /// Ends it at once, as a crash does. Its files stay.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            keeper.stdin.take().unwrap().write_all(b"keep\n").unwrap();
            keeper.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn connect(&self) -> RedisResult<Connection> {
        redis::Client::open(self.url())?.get_connection()
    }

    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).unwrap()
    }

    pub fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connect()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Waits, on a thread that may wait.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Three masters that share the slots.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Server>,
    /// One slot moves at a time, as an operator moves them.
    moving: Mutex<()>,
}

const SLOTS: u16 = 16_384;

impl Cluster {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(options: &[&str]) -> Self {
        let nodes: Vec<Server> = (0..3)
            .map(|_| {
                let bus = free_port().to_string();
                let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus];
                Server::start(&[options, &cluster].concat())
            })
            .collect();
        for (number, node) in (0_u16..).zip(&nodes) {
            let (from, to) = (number * (SLOTS / 3 + 1), ((number + 1) * (SLOTS / 3 + 1) - 1).min(SLOTS - 1));
            let _: () = node.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            let _: () = node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        for node in &nodes[1..] {
            let bus = node.options.last().unwrap();
            let _: () = nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
        }
        let cluster = Self { nodes, moving: Mutex::default() };
        cluster.until_whole();
        cluster
    }

    /// Waits until each node sees the whole cluster.
    pub fn until_whole(&self) {
        until("the cluster is whole", || {
            self.nodes.iter().all(|node| {
                let info: String = node.try_command(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        });
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    pub fn slot(&self, key: &str) -> u16 {
        self.nodes[0].command(&["CLUSTER", "KEYSLOT", key])
    }

    /// The node that has a slot, when all of them agree.
    pub fn owner(&self, slot: u16) -> usize {
        let mut owner = None;
        until("all nodes agree about the slot", || {
            let mut views = self.nodes.iter().map(|node| view(node, slot));
            let first = views.next().unwrap();
            owner = first.filter(|_| views.all(|view| view == first));
            owner.is_some()
        });
        let port = owner.unwrap();
        self.nodes.iter().position(|node| node.port == port).unwrap()
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].command(&["CLUSTER", "MYID"])
    }

    pub fn keys(&self, node: usize, slot: u16) -> Vec<String> {
        self.nodes[node].command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100000"])
    }

    /// Begins to move a slot: its keys are where they were.
    pub fn begin_move(&self, slot: u16, to: usize) -> Move<'_> {
        let turn = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, text) = (self.owner(slot), slot.to_string());
        let _: () = self.nodes[to].command(&["CLUSTER", "SETSLOT", &text, "IMPORTING", &self.id(from)]);
        let _: () = self.nodes[from].command(&["CLUSTER", "SETSLOT", &text, "MIGRATING", &self.id(to)]);
        Move { cluster: self, slot, from, to, _turn: turn }
    }
}

/// A slot on its way.
#[derive(Debug)]
pub struct Move<'a> {
    cluster: &'a Cluster,
    slot: u16,
    pub from: usize,
    pub to: usize,
    _turn: MutexGuard<'a, ()>,
}

/// The port of the node that has a slot, as this one sees it.
fn view(node: &Server, slot: u16) -> Option<u16> {
    let slots: Vec<(u16, u16, (String, u16))> = node
        .command::<Vec<Vec<redis::Value>>>(&["CLUSTER", "SLOTS"])
        .into_iter()
        .map(|mut range| {
            range.truncate(3);
            let master: Vec<redis::Value> = redis::from_redis_value(range.pop().unwrap()).unwrap();
            let mut master = master.into_iter();
            let host = redis::from_redis_value(master.next().unwrap()).unwrap();
            let port = redis::from_redis_value(master.next().unwrap()).unwrap();
            let to = redis::from_redis_value(range.pop().unwrap()).unwrap();
            (redis::from_redis_value(range.pop().unwrap()).unwrap(), to, (host, port))
        })
        .collect();
    slots.iter().find(|(from, to, _)| (from..=to).contains(&&slot)).map(|(.., (_, port))| *port)
}

impl Move<'_> {
    /// Moves some keys.
    pub fn take(&self, keys: &[String]) {
        let to = self.cluster.nodes[self.to].port.to_string();
        let mut migrate = vec!["MIGRATE", "127.0.0.1", &to, "", "0", "5000", "KEYS"];
        migrate.extend(keys.iter().map(String::as_str));
        let _: String = self.cluster.nodes[self.from].command(&migrate);
    }

    /// Moves what is left, and the slot itself.
    pub fn finish(self) {
        let (cluster, slot) = (self.cluster, self.slot.to_string());
        loop {
            let keys = cluster.keys(self.from, self.slot);
            if keys.is_empty() {
                break;
            }
            keys.chunks(100).for_each(|keys| self.take(keys));
        }
        let id = cluster.id(self.to);
        // First the new owner, then the former one.
        let other = 3 - self.from - self.to;
        for node in [self.to, self.from, other] {
            let _: () = cluster.nodes[node].command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
        }
        assert_eq!(cluster.owner(self.slot), self.to);
    }
}
