//! A file on its way through: from the caller's stream into the body of a request.

use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

use crate::files::{Clash, Frame};

/// How much of a file is in this component's memory at a time, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Writes a content with what stands around it, as fast as it is read.
pub(super) async fn write(
    mut writer: StreamWriter<u8>,
    mut frame: Frame,
    mut content: StreamReader<u8>,
) -> Result<(), Clash> {
    let mut rest = writer.write_all(frame.before).await;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    // What is left over was not wanted any more: the answer is on its way.
    while rest.is_empty() {
        piece.clear();
        let (status, read) = content.read(piece).await;
        frame.guard.check(&read)?;
        if !matches!(status, StreamResult::Complete(_)) {
            // The host ends the call rather than the stream if the content is
            // not whole.
            writer.write_all(frame.after).await;
            break;
        }
        rest = writer.write_all(read).await;
        piece = Vec::with_capacity(PIECE_BYTES);
    }
    Ok(())
}
