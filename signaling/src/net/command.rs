//! Commands on calls that are up: hold, keys, INFO, transfers.

use super::{Gateway, GatewayError};
use crate::call::{Info, TransferRequest};
use crate::engine::Voice;
use crate::engine::thread::Command;
use rtp_core::dtmf::Digit;
use rtp_core::negotiate::Hold;
use sip_core::{CallId, StatusCode, Uri};
use std::time::Instant;

impl Gateway {
    /// Holds a call.
    ///
    /// # Errors
    /// When it is not up, or another change is under way.
    pub fn hold(&mut self, call: CallId, how: Hold) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.hold(now, driver.endpoint(), how)
        })
    }

    /// Holds a call and plays `music` to the phone meanwhile, which is not to hear the session:
    /// [`Voice::clip`] for a melody that repeats. Music of an earlier hold stops; with [`Gateway::resume`] this one does.
    ///
    /// # Errors
    /// When the call is not up, another change is under way, or the media engine takes no command.
    pub fn hold_with(&mut self, call: CallId, music: Voice) -> Result<(), GatewayError> {
        let room = self.room_of(call)?;
        self.hold(call, Hold::SendOnly)?;
        let command = Command::Music {
            id: call,
            voice: music,
        };
        Ok(self.engine.send(room, command)?)
    }

    /// Ends our hold of a call.
    ///
    /// # Errors
    /// When it is not up, or another change is under way.
    pub fn resume(&mut self, call: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.resume(now, driver.endpoint())
        })
    }

    /// Lets ICE begin anew, with other credentials and a re-INVITE. Sound goes on where it went meanwhile.
    ///
    /// # Errors
    /// When it is not up, or another change is under way.
    pub fn restart_ice(&mut self, call: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.restart_ice(now, driver.endpoint())
        })
    }

    /// Presses keys on a phone (RFC 4733): `0`–`9`, `*`, `#`, `A`–`D`, and `p` or `w` for half a second's pause.
    ///
    /// # Errors
    /// When the call is not up, a character is no key, or the phone takes no keys in RTP: then
    /// [`Gateway::send_dtmf_by_info`] may reach it.
    pub fn send_dtmf(&mut self, call: CallId, digits: &str) -> Result<(), GatewayError> {
        let is_key =
            |c: &char| matches!(c, 'p' | 'P' | 'w' | 'W') || Digit::from_char(*c).is_some();
        if let Some(wrong) = digits.chars().find(|c| !is_key(c)) {
            return Err(GatewayError::NotAKey(wrong));
        }
        let room = self.room_of(call)?;
        let entry = self.calls.get(&call).ok_or(GatewayError::NoSuchCall)?;
        let takes_keys = entry
            .stream
            .as_ref()
            .is_some_and(|stream| stream.send_dtmf.is_some());
        if !takes_keys {
            return Err(GatewayError::NoKeys);
        }
        self.engine.send(
            room,
            Command::Press {
                id: call,
                digits: digits.to_owned(),
            },
        )?;
        Ok(())
    }

    /// Presses keys on a phone by INFO (`application/dtmf-relay`), at five a second: the same characters as
    /// [`Gateway::send_dtmf`], for phones that take no keys in RTP. When the phone refuses one, those after it are dropped, and
    /// [`Event::KeysRefused`](super::Event::KeysRefused) says so.
    ///
    /// # Errors
    /// When the call is not up, a character is no key, or more than 256 would wait.
    pub fn send_dtmf_by_info(&mut self, call: CallId, digits: &str) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.press_by_info(now, driver.endpoint(), digits)
        })
    }

    /// Sends an INFO, once those before it are answered; [`Event::InfoAnswered`](super::Event::InfoAnswered) follows.
    ///
    /// # Errors
    /// When the call is not up, the phone has not said that it takes the package, or more than 256 would wait.
    pub fn send_info(&mut self, call: CallId, info: Info) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.send_info(now, driver.endpoint(), info)
        })
    }

    /// Asks a phone to call `to` in our place (blind transfer). [`Event::Transfer`](super::Event::Transfer) tells how it
    /// goes; when the new call is answered, this one is hung up.
    ///
    /// # Errors
    /// When the call is not up, or a transfer is under way.
    pub fn transfer(&mut self, call: CallId, to: Uri) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.transfer(now, driver.endpoint(), to)
        })?;
        self.transferring(call);
        Ok(())
    }

    /// Joins the phones of two calls with each other (attended transfer): that of `call` is asked to take our place in
    /// `other`. [`Event::Transfer`](super::Event::Transfer) of `call` tells how it goes; at the end both calls are over.
    ///
    /// # Errors
    /// When one of them is not up, they are the same, or a transfer of `call` is under way.
    pub fn transfer_to(&mut self, call: CallId, other: CallId) -> Result<(), GatewayError> {
        self.with_call(call, |call, now, driver| {
            call.transfer_to(now, driver.endpoint(), other)
        })?;
        self.transferring(call);
        Ok(())
    }

    /// What is told of the transfer is the call's, not the application's.
    fn transferring(&mut self, call: CallId) {
        let entry = self.calls.get(&call);
        let id = entry.and_then(|entry| entry.call.transfer_id());
        self.transfers.extend(id);
    }

    /// Refuses what [`Event::TransferAsked`](super::Event::TransferAsked) told, with 603 Decline for instance. Left alone, it
    /// is refused with 503 after 16 s.
    ///
    /// # Errors
    /// When the phone does not wait for an answer any more, or the status is none of 300 to 699.
    pub fn refuse_transfer(
        &mut self,
        transfer: &TransferRequest,
        status: StatusCode,
    ) -> Result<(), GatewayError> {
        let refused = transfer.refuse(Instant::now(), self.driver.endpoint(), status);
        self.driver.flush();
        Ok(refused?)
    }
}
