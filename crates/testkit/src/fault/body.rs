//! The body of an answer under a fault that may begin and end while it is being sent.

use std::io;

use bytes::Bytes;
use futures::{Stream, stream};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::sync::watch;

use super::{Fault, tamper};
use crate::upstream::BoxError;

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The stream of a watch, as long as the fault lets it live.
pub(super) fn watched(body: Body, fault: watch::Receiver<Fault>) -> Body {
    let state = Watched { body, fault, over: false };
    StreamBody::new(frames(state)).boxed_unsync()
}

/// Half of the bytes, and then the connection breaks.
pub(super) fn broken(bytes: &Bytes) -> Body {
    let parts = [Ok(Frame::data(tamper::cut(bytes))), Err(reset())];
    StreamBody::new(stream::iter(parts)).boxed_unsync()
}

pub(super) fn reset() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

struct Watched {
    body: Body,
    fault: watch::Receiver<Fault>,
    over: bool,
}

fn frames(state: Watched) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> {
    stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        let next = next(&mut state).await?;
        state.over |= next.is_err();
        Some((next, state))
    })
}

async fn next(state: &mut Watched) -> Option<Result<Frame<Bytes>, BoxError>> {
    loop {
        let fault = state.fault.borrow_and_update().clone();
        match fault {
            Fault::Refused | Fault::WrongCertificate => return Some(Err(reset())),
            Fault::HalfOpen => std::future::pending().await,
            Fault::Silent => {
                // an error means that the gate is gone
                let _ = state.fault.wait_for(|fault| *fault != Fault::Silent).await;
                return Some(Err(reset()));
            }
            _ if fault.lies() => return None,
            _ => {}
        }
        tokio::select! {
            biased;
            changed = state.fault.changed() => if changed.is_err() { return None },
            frame = state.body.frame() => return frame.map(|frame| damaged(frame, &fault, &mut state.over)),
        }
    }
}

fn damaged(frame: Result<Frame<Bytes>, BoxError>, fault: &Fault, over: &mut bool) -> Result<Frame<Bytes>, BoxError> {
    let frame = frame?;
    Ok(match (frame.into_data(), fault) {
        (Ok(bytes), Fault::Cut) => {
            *over = true;
            Frame::data(tamper::cut(&bytes))
        }
        (Ok(bytes), Fault::Garbage) => Frame::data(tamper::garbled(&bytes)),
        (Ok(bytes), _) => Frame::data(bytes),
        (Err(other), _) => other,
    })
}
