//! A product on loopback for the hostile connector: it gives out a token, and
//! answers with whatever bodies a path asks for.
//!
//! - `/bytes/N`: a body of N bytes
//! - `/endless`: a body that ends only when nobody reads it any more
//! - `/truncated/SENT/CLAIMED`: claims a length and breaks off before it
//! - `/hold`: no answer until [`Loopback::release`]
//! - `/usage/USED/LIMIT`: the same, in a header that tells the budget
//! - `/count`: how many bytes the request's body has
//! - `/early`: the same before any of it is read
//! - `/session/…`, `/echo/…`: the body of the request
//! - `/cookies`: `ok`, with the cookies `NODE` and `sid`
//! - anything else: `ok`

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lockgate::{Connection, Flow, LoginTo, NewConnection, Package};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::sandbox::TestHost;

/// The access token that the server gives out.
pub const TOKEN: &str = "loopback-access-token-0123456789";

/// The server. It ends with this value.
#[derive(Debug)]
pub struct Loopback {
    origin: String,
    seen: Arc<Seen>,
    release: watch::Sender<bool>,
    _server: JoinSet<()>,
}

/// What reached the server.
#[derive(Debug, Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    bodies: Mutex<Vec<String>>,
    held: AtomicUsize,
    sent_bytes: AtomicU64,
    cut_bodies: watch::Sender<usize>,
}

impl Loopback {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (release, released) = watch::channel(false);
        let seen = Arc::new(Seen::default());
        let mut server = JoinSet::new();
        let (shared, own_origin) = (Arc::clone(&seen), origin.clone());
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let (origin, released) = (own_origin.clone(), released.clone());
                connections.spawn(async move {
                    // A connection that the other side broke off is no fault.
                    let _ = serve(stream, &origin, &shared, released).await;
                });
            }
        });
        Self {
            origin,
            seen,
            release,
            _server: server,
        }
    }

    /// The origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The request heads so far, but for those that asked for a token.
    pub fn heads(&self) -> Vec<String> {
        let heads = self.seen.heads.lock().unwrap();
        heads
            .iter()
            .filter(|head| !head.contains("/oauth2/"))
            .cloned()
            .collect()
    }

    /// The bodies of requests to `/session/…` and `/echo/…` so far.
    pub fn bodies(&self) -> Vec<String> {
        self.seen.bodies.lock().unwrap().clone()
    }

    /// How many requests wait on `/hold` now.
    pub fn held(&self) -> usize {
        self.seen.held.load(Ordering::SeqCst)
    }

    /// Bytes of `/endless` that went out.
    pub fn sent_bytes(&self) -> u64 {
        self.seen.sent_bytes.load(Ordering::SeqCst)
    }

    /// Requests that broke off within their body, so far.
    pub fn cut_bodies(&self) -> usize {
        *self.seen.cut_bodies.borrow()
    }

    /// Waits until so many requests broke off within their body.
    pub async fn until_cut(&self, count: usize) {
        let mut cut = self.seen.cut_bodies.subscribe();
        cut.wait_for(|&now| now >= count).await.unwrap();
    }

    /// Lets all requests on `/hold` go on, now and later.
    pub fn release(&self) {
        self.release.send_replace(true);
    }

    /// A host with the hostile connector and a connection of it to this server.
    pub async fn attacked_by(&self, package: &Package) -> (TestHost, Connection) {
        let host = TestHost::new().await;
        host.load(package).await;
        let connection = self.connect(&host, package, "acme", "crm").await;
        (host, connection)
    }

    /// Adds an authorised connection to this server.
    pub async fn connect(
        &self,
        host: &TestHost,
        package: &Package,
        tenant: &str,
        name: &str,
    ) -> Connection {
        let login = LoginTo::Local {
            origin: self.origin.clone(),
        };
        let new = NewConnection::new(tenant, name, package.name(), login, "client")
            .client_secret("client-secret-of-the-loopback")
            .flow(Flow::ClientCredentials);
        let connection = host.add_connection(new).await.unwrap();
        host.authorize_client(tenant, name).await.unwrap();
        connection
    }
}

async fn serve(
    stream: TcpStream,
    origin: &str,
    seen: &Seen,
    mut released: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.heads.lock().unwrap().push(head.clone());
        if path == "/early" {
            return answer(&mut stream, "connection: close\r\n", b"early").await;
        }
        let body = read_body(&mut stream, &head).await;
        if body.is_err() {
            seen.cut_bodies.send_modify(|cut| *cut += 1);
        }
        let body = body?;
        let words: Vec<&str> = path.split('/').skip(1).collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0_usize)
        };
        match words[0] {
            "services" => {
                let token = format!(
                    r#"{{"access_token":"{TOKEN}","token_type":"Bearer","instance_url":"{origin}"}}"#
                );
                answer(
                    &mut stream,
                    "content-type: application/json\r\n",
                    token.as_bytes(),
                )
                .await?;
            }
            "bytes" => answer(&mut stream, "", &vec![b'b'; number(1)]).await?,
            "count" => answer(&mut stream, "", body.len().to_string().as_bytes()).await?,
            "endless" => endless(&mut stream, seen).await?,
            "truncated" => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", number(2));
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&vec![b't'; number(1)]).await?;
                return stream.shutdown().await;
            }
            "hold" => {
                seen.held.fetch_add(1, Ordering::SeqCst);
                let opened = released.wait_for(|open| *open).await.is_ok();
                seen.held.fetch_sub(1, Ordering::SeqCst);
                assert!(opened);
                answer(&mut stream, "", b"held").await?;
            }
            "usage" => {
                let usage = format!("x-usage: calls={}/{}\r\n", number(1), number(2));
                answer(&mut stream, &usage, b"{}").await?;
            }
            "cookies" => {
                let fields = "set-cookie: NODE=n-7; Path=/; HttpOnly\r\nset-cookie: sid=stolen\r\n";
                answer(&mut stream, fields, b"ok").await?;
            }
            "session" | "echo" => {
                let text = String::from_utf8_lossy(&body).into_owned();
                seen.bodies.lock().unwrap().push(text);
                answer(&mut stream, "", &body).await?;
            }
            _ => answer(&mut stream, "", b"ok").await?,
        }
    }
}

async fn answer(
    stream: &mut BufReader<TcpStream>,
    fields: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

/// Reads a request's whole body, under its length or in chunks.
async fn read_body(stream: &mut BufReader<TcpStream>, head: &str) -> std::io::Result<Vec<u8>> {
    let field = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
        })
    };
    let mut body = Vec::new();
    if field("transfer-encoding").is_none() {
        let length = field("content-length").and_then(|length| length.parse().ok());
        read_more(stream, length.unwrap_or(0), &mut body).await?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let size =
            u64::from_str_radix(line.trim(), 16).map_err(|_| std::io::ErrorKind::UnexpectedEof)?;
        read_more(stream, size, &mut body).await?;
        stream.read_line(&mut line).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_more(
    stream: &mut BufReader<TcpStream>,
    bytes: u64,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    let read = stream.take(bytes).read_to_end(body).await?;
    if (read as u64) < bytes {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

async fn endless(stream: &mut BufReader<TcpStream>, seen: &Seen) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x1_0000, b'e');
    chunk.extend_from_slice(b"\r\n");
    loop {
        stream.write_all(&chunk).await?;
        seen.sent_bytes.fetch_add(0x1_0000, Ordering::SeqCst);
    }
}
