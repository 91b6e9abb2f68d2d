//! A small server in this process, in place of Redis. It can be killed, emptied, restored, paused and demoted, can answer
//! with errors, and writes down what it is sent.

mod store;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) use self::store::Store;
pub(crate) use self::wire::Reply;

/// An idle `XREAD BLOCK` returns after this time, whatever the client asks for, so that tests need not wait.
const BLOCK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Counts whatever happens, so that tests can wait for it.
    events: watch::Sender<u64>,
    epoch: watch::Sender<Epoch>,
}

/// What the connections depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Epoch {
    /// A connection of an earlier one ends.
    life: u64,
    is_up: bool,
    is_paused: bool,
}

pub(crate) struct State {
    pub(crate) store: Store,
    /// In milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) run_id: String,
    pub(crate) role: &'static str,
    pub(crate) version: &'static str,
    pub(crate) policy: Option<&'static str>,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    /// The first word of a command, and what it gets in place of a reply.
    pub(crate) faults: BTreeMap<String, Fault>,
    /// Runs once, before the command that begins with these words.
    pub(crate) before: Option<(&'static str, Change)>,
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) logins: usize,
    connections: usize,
}

pub(crate) type Change = fn(&mut Store);

/// The commands after `MULTI`.
#[derive(Default)]
struct Transaction {
    queued: Option<Vec<Vec<String>>>,
    is_aborted: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// An error, without its `-`.
    Error(&'static str),
    /// These bytes, and the connection stays.
    Bytes(&'static [u8]),
    /// These bytes, and the connection ends.
    BytesAndEnd(&'static [u8]),
    /// Bytes without end.
    Endless,
    /// No reply.
    Silence,
}

impl Double {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    pub(crate) async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let state = State {
            store: Store::default(),
            time: 1_800_000_000_000,
            run_id: String::from("1"),
            role: "master",
            version: "7.2.4",
            policy: Some("noeviction"),
            login: None,
            faults: BTreeMap::new(),
            before: None,
            commands: Vec::new(),
            logins: 0,
            connections: 0,
        };
        let double = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            events: watch::Sender::new(0),
            epoch: watch::Sender::new(Epoch { is_up: true, ..Epoch::default() }),
        };
        tokio::spawn(double.clone().accept(listener, tls));
        double
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until this is so; whatever the server sees, a connection that is opened included, has it looked at again.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let mut events = self.events.subscribe();
        let happens = async {
            while !is_so() {
                events.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), happens).await.unwrap_or_else(|_| panic!("not so: {what}"));
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// So many reads of the stream more.
    pub(crate) async fn rounds(&self, count: usize) {
        let seen = || self.state().commands.iter().filter(|words| words[0] == "XREAD").count();
        let until = seen() + count;
        self.until("more rounds", || seen() >= until).await;
    }

    /// Ends all connections and accepts no more.
    pub(crate) fn kill(&self) {
        self.epoch.send_modify(|epoch| (epoch.life, epoch.is_up) = (epoch.life + 1, false));
    }

    /// Another process, with this data.
    pub(crate) fn restart(&self, store: Store) {
        self.kill();
        {
            let mut state = self.state();
            state.store = store;
            state.run_id = format!("{}", state.run_id.parse::<u64>().unwrap() + 1);
        }
        self.epoch.send_modify(|epoch| epoch.is_up = true);
    }

    pub(crate) fn pause(&self, is_paused: bool) {
        self.epoch.send_modify(|epoch| epoch.is_paused = is_paused);
    }

    pub(crate) fn store(&self) -> Store {
        self.state().store.clone()
    }

    pub(crate) fn fault(&self, command: &str, fault: Fault) {
        self.state().faults.insert(command.to_owned(), fault);
    }

    /// What the guide has for `redis-cli`.
    pub(crate) fn order_initialization(&self) {
        self.run(&["SET", "{tower-bearer}:revocations:initialize", "1", "EX", "600"].map(String::from));
    }

    fn happened(&self) {
        self.events.send_modify(|events| *events += 1);
    }

    async fn accept(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            self.happened();
            let (double, tls, mut epoch) = (self.clone(), tls.clone(), self.epoch.subscribe());
            let life = epoch.borrow_and_update().life;
            if !self.epoch.borrow().is_up {
                continue;
            }
            connections.spawn(async move {
                let ended = epoch.wait_for(|epoch| epoch.life != life);
                let serve = async {
                    match tls {
                        None => double.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => double.serve(stream).await,
                            Err(_) => double.happened(),
                        },
                    }
                };
                double.state().connections += 1;
                tokio::select! { _ = ended => {}, () = serve => {} }
                double.state().connections -= 1;
                double.happened();
            });
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        let mut is_logged_in = self.state().login.is_none();
        let mut transaction = Transaction::default();
        while let Some(words) = wire::command(&mut stream).await {
            self.epoch.subscribe().wait_for(|epoch| !epoch.is_paused).await.unwrap();
            self.note(&words);
            let fault = self.state().faults.get(&words[0]).cloned();
            if let Some(fault) = fault {
                // A command that is refused aborts the transaction.
                transaction.is_aborted |= transaction.queued.is_some();
                if !misbehave(&mut stream, fault).await {
                    return;
                }
                continue;
            }
            let reply = match words[0].as_str() {
                "AUTH" => self.login(&words, &mut is_logged_in),
                _ if !is_logged_in => Reply::Error(String::from("NOAUTH Authentication required.")),
                "EXEC" => self.execute(std::mem::take(&mut transaction)),
                _ if transaction.queued.is_some() => {
                    transaction.queued.iter_mut().for_each(|queued| queued.push(words.clone()));
                    Reply::Simple("QUEUED")
                }
                "MULTI" => {
                    transaction.queued = Some(Vec::new());
                    Reply::Simple("OK")
                }
                "XREAD" => self.read_stream(&words).await,
                "INFO" => self.info(&words[1]),
                "SELECT" => Reply::Simple("OK"),
                _ => self.run(&words),
            };
            let mut bytes = Vec::new();
            reply.encode(&mut bytes);
            self.happened();
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    fn run(&self, words: &[String]) -> Reply {
        let mut state = self.state();
        let now = state.time;
        state.store.run(words, now)
    }

    fn execute(&self, transaction: Transaction) -> Reply {
        let Some(commands) = transaction.queued else {
            return Reply::Error(String::from("ERR EXEC without MULTI"));
        };
        if transaction.is_aborted {
            return Reply::Error(String::from("EXECABORT Transaction discarded because of previous errors."));
        }
        let mut state = self.state();
        let now = state.time;
        Reply::Array(commands.iter().map(|words| state.store.run(words, now)).collect())
    }

    fn note(&self, words: &[String]) {
        let mut state = self.state();
        state.commands.push(words.to_vec());
        if let Some((_, change)) = state.before.take_if(|(command, _)| words.join(" ").starts_with(*command)) {
            change(&mut state.store);
        }
    }

    fn login(&self, words: &[String], is_logged_in: &mut bool) -> Reply {
        let mut state = self.state();
        let given = match words {
            [_, password] => (String::from("default"), password.clone()),
            [_, user, password] => (user.clone(), password.clone()),
            _ => return Reply::Error(String::from("ERR syntax error")),
        };
        *is_logged_in = state.login.as_ref().is_none_or(|login| *login == given);
        if *is_logged_in {
            state.logins += 1;
            return Reply::Simple("OK");
        }
        Reply::Error(String::from("WRONGPASS invalid username-password pair or user is disabled."))
    }

    async fn read_stream(&self, words: &[String]) -> Reply {
        let read = || self.run(words);
        let waits = words.iter().any(|word| word == "BLOCK");
        let has_news = |reply: &Reply| !matches!(reply, Reply::NilArray);
        if !waits || has_news(&read()) {
            return read();
        }
        let mut events = self.events.subscribe();
        let news = async { while !has_news(&read()) && events.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(BLOCK, news).await;
        read()
    }

    fn info(&self, section: &str) -> Reply {
        let state = self.state();
        Reply::Bulk(match section {
            "server" => format!("# Server\r\nredis_version:{}\r\nrun_id:{}\r\n", state.version, state.run_id),
            "replication" => format!("# Replication\r\nrole:{}\r\n", state.role),
            "memory" => {
                let policy = state.policy.map(|policy| format!("maxmemory_policy:{policy}\r\n"));
                format!("# Memory\r\n{}", policy.unwrap_or_default())
            }
            section => panic!("{section}"),
        })
    }
}

/// Whether the connection goes on.
async fn misbehave(stream: &mut (impl AsyncWrite + Unpin), fault: Fault) -> bool {
    match fault {
        Fault::Error(error) => stream.write_all(format!("-{error}\r\n").as_bytes()).await.is_ok(),
        Fault::Bytes(bytes) => stream.write_all(bytes).await.is_ok(),
        Fault::BytesAndEnd(bytes) => {
            let _ = stream.write_all(bytes).await;
            false
        }
        Fault::Endless => {
            let _ = stream.write_all(b"$9999999999\r\n").await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
            false
        }
        Fault::Silence => true,
    }
}
