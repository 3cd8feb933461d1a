//! A wire between a client and a server that can be troubled: delays, resets, cuts in
//! the middle, halves that close, single bytes, and answers that break off into
//! nonsense. What goes wrong is thrown with dice for each connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::dice::Dice;

/// What a server never says.
const NONSENSE: &[u8] = b"\r\n\xff\xfe-1\r\nnonsense\0\r\n";

/// The most bytes that pass before something happens.
const FAR: u64 = 12_000;

/// A proxy on loopback. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    wire: Arc<Wire>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Wire {
    upstream: Mutex<Option<SocketAddr>>,
    is_troubled: AtomicBool,
    dice: Mutex<Dice>,
    troubles: AtomicU64,
}

/// What happens to one direction of a connection after so many bytes.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Delay(Duration),
    /// The connection is reset.
    Reset,
    /// It ends as if all had been said.
    Cut,
    /// Nothing comes any more for a while, and then it is reset.
    Silence(Duration),
    /// So many bytes come one by one.
    Drip(usize),
    /// Nonsense in the place of the rest.
    Nonsense,
}

impl Proxy {
    /// Listens on a free port, and refuses everything until it knows where to go.
    pub async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            upstream: Mutex::new(None),
            is_troubled: AtomicBool::new(false),
            dice: Mutex::new(Dice::new(seed)),
            troubles: AtomicU64::new(0),
        });
        let mut server = JoinSet::new();
        let shared = Arc::clone(&wire);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            addr,
            wire,
            _server: server,
        }
    }

    /// Where it listens.
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Says where everything goes.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *self.wire.upstream.lock().unwrap() = Some(upstream);
    }

    /// Lets connections fail from now on, or leaves them in peace, also those that are
    /// open.
    pub fn trouble(&self, is_troubled: bool) {
        self.wire.is_troubled.store(is_troubled, Ordering::Relaxed);
    }

    /// How often something went wrong.
    pub fn troubles(&self) -> u64 {
        self.wire.troubles.load(Ordering::Relaxed)
    }
}

impl Wire {
    /// How far it goes well, and what comes then.
    fn fate(&self, is_answer: bool) -> (u64, Trouble) {
        let mut dice = self.dice.lock().unwrap();
        let after = dice.below(FAR);
        let ms = dice.below(300);
        // What a client says arrives as it was said or breaks off: a wire neither changes
        // it nor ends it in the client's name.
        let trouble = match dice.below(if is_answer { 6 } else { 4 }) {
            0 => Trouble::Delay(Duration::from_millis(ms)),
            1 => Trouble::Reset,
            2 => Trouble::Silence(Duration::from_millis(ms)),
            3 => Trouble::Drip(usize::try_from(ms).unwrap()),
            4 => Trouble::Cut,
            _ => Trouble::Nonsense,
        };
        (after, trouble)
    }
}

/// Carries both directions of a connection until one of them breaks or both ended.
async fn carry(client: TcpStream, wire: Arc<Wire>) {
    let upstream = *wire.upstream.lock().unwrap();
    let Some(upstream) = upstream else {
        return;
    };
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asked = copy(from_client, to_server, false, &wire);
    let answered = copy(from_server, to_client, true, &wire);
    // An error of one ends the other: both halves go, and with them the connection.
    let _ = tokio::try_join!(asked, answered);
}

/// The connection is broken.
#[derive(Debug)]
struct Broken;

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_answer: bool,
    wire: &Wire,
) -> Result<(), Broken> {
    let (mut left, mut trouble) = wire.fate(is_answer);
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await.map_err(|_| Broken)?;
        if count == 0 {
            // The other half may still have something to say.
            return to.shutdown().await.map_err(|_| Broken);
        }
        let said = &bytes[..count];
        let is_over = wire.is_troubled.load(Ordering::Relaxed) && count as u64 > left;
        if !is_over {
            left = left.saturating_sub(count as u64);
            to.write_all(said).await.map_err(|_| Broken)?;
            continue;
        }
        wire.troubles.fetch_add(1, Ordering::Relaxed);
        let (before, after) = said.split_at(usize::try_from(left).unwrap());
        to.write_all(before).await.map_err(|_| Broken)?;
        match trouble {
            Trouble::Delay(pause) => {
                tokio::time::sleep(pause).await;
                to.write_all(after).await.map_err(|_| Broken)?;
            }
            Trouble::Reset => return reset(&to),
            Trouble::Cut => return to.shutdown().await.map_err(|_| Broken),
            Trouble::Silence(pause) => {
                tokio::time::sleep(pause).await;
                return reset(&to);
            }
            Trouble::Drip(most) => {
                let (single, rest) = after.split_at(most.min(after.len()));
                for byte in single {
                    to.write_all(&[*byte]).await.map_err(|_| Broken)?;
                    tokio::task::yield_now().await;
                }
                to.write_all(rest).await.map_err(|_| Broken)?;
            }
            Trouble::Nonsense => {
                to.write_all(NONSENSE).await.map_err(|_| Broken)?;
                return Err(Broken);
            }
        }
        (left, trouble) = wire.fate(is_answer);
    }
}

/// Closes without a goodbye.
fn reset(to: &OwnedWriteHalf) -> Result<(), Broken> {
    // Where the system cannot, the other side sees an early end instead.
    let _ = to.as_ref().set_zero_linger();
    Err(Broken)
}
