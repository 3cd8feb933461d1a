//! Opens the person's browser, as far as that works: the address is printed as
//! well, for machines without one.

use std::process::{Command, Stdio};

/// Tries to open an address, and says whether that seems to have worked.
pub(crate) fn open(address: &str) -> bool {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(target_os = "windows") {
        // Not `cmd /c start`: it would read `&` in the address as its own.
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some()
    {
        Command::new("xdg-open")
    } else {
        return false;
    };
    command
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Not waited for: some openers last as long as the browser.
    command.spawn().is_ok()
}
