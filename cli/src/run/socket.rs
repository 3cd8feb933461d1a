//! The socket in the data directory: one line of JSON asks, one answers. It is for the
//! owner only, as the directory is.

pub(super) use here::{Listener, ask};

#[cfg(unix)]
mod here {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use anyhow::{Context as _, Result};
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::time::timeout;

    use crate::run::control::{Request, Response};

    const NAME: &str = "run.sock";

    /// The longest line, in bytes.
    const MAX_LINE_BYTES: u64 = 4 * 1024 * 1024;

    /// How long a caller may take to say its line.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Waits for other commands.
    #[derive(Debug)]
    pub(in crate::run) struct Listener {
        listener: UnixListener,
        path: PathBuf,
    }

    /// A command that asks.
    #[derive(Debug)]
    pub(in crate::run) struct Caller(BufReader<UnixStream>);

    impl Listener {
        /// To be called by the one that has the lock: what lies there is left over.
        pub(in crate::run) fn bind(data_dir: &Path) -> Result<Self> {
            let path = data_dir.join(NAME);
            let doing = || {
                format!(
                    "cannot listen on {}: sockets need a path of less than 108 bytes",
                    path.display()
                )
            };
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(doing);
                }
                _ => {}
            }
            let listener = UnixListener::bind(&path).with_context(doing)?;
            let owner_only = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, owner_only).with_context(doing)?;
            Ok(Self { listener, path })
        }

        pub(in crate::run) async fn accept(&self) -> Result<Caller> {
            let accepted = self.listener.accept().await;
            let (stream, _) = accepted.context("cannot hear other commands any more")?;
            Ok(Caller(BufReader::new(stream)))
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            // One that is left over is removed by the next.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    impl Caller {
        /// Hears what is asked and says what `done` gives.
        pub(in crate::run) async fn answer(
            &mut self,
            done: impl AsyncFnOnce(Request) -> Response,
        ) -> Result<()> {
            let line = timeout(PATIENCE, line(&mut self.0)).await;
            let line = line.context("it said nothing")??;
            let request = serde_json::from_str(&line).context("it asked for nonsense")?;
            let response = serde_json::to_string(&done(request).await)?;
            let stream = self.0.get_mut();
            stream.write_all(response.as_bytes()).await?;
            stream.write_all(b"\n").await?;
            Ok(())
        }
    }

    /// Asks the host that runs; `None` if none does.
    pub(in crate::run) async fn ask(data_dir: &Path, request: Request) -> Result<Option<Response>> {
        let mut stream = match UnixStream::connect(data_dir.join(NAME)).await {
            Ok(stream) => BufReader::new(stream),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::InvalidInput
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error).context("cannot reach `lockgate run`"),
        };
        let asked = serde_json::to_string(&request)? + "\n";
        let gone = "`lockgate run` stopped before it answered";
        stream
            .get_mut()
            .write_all(asked.as_bytes())
            .await
            .context(gone)?;
        let line = line(&mut stream).await.context(gone)?;
        let response = serde_json::from_str(&line)
            .context("`lockgate run` is of another version: stop it and start it again")?;
        Ok(Some(response))
    }

    async fn line(stream: &mut BufReader<UnixStream>) -> Result<String> {
        let mut line = String::new();
        let read = stream.take(MAX_LINE_BYTES).read_line(&mut line).await?;
        anyhow::ensure!(read > 0, "nothing came");
        Ok(line)
    }
}

#[cfg(not(unix))]
mod here {
    use std::path::Path;

    use anyhow::Result;

    use crate::run::control::{Request, Response};

    #[derive(Debug)]
    pub(in crate::run) struct Listener;

    #[derive(Debug)]
    pub(in crate::run) struct Caller;

    impl Listener {
        pub(in crate::run) fn bind(_: &Path) -> Result<Self> {
            Ok(Self)
        }

        pub(in crate::run) async fn accept(&self) -> Result<Caller> {
            // Other commands find no host: they work on the data directory alone.
            std::future::pending().await
        }
    }

    impl Caller {
        pub(in crate::run) async fn answer(
            &mut self,
            _: impl AsyncFnOnce(Request) -> Response,
        ) -> Result<()> {
            Ok(())
        }
    }

    pub(in crate::run) async fn ask(_: &Path, _: Request) -> Result<Option<Response>> {
        Ok(None)
    }
}
