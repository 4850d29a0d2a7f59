"""The vendor's Python SDK, told nothing but the gateway's address."""

import sys
import time

from opentok import Client, MediaModes, Roles
from opentok.exceptions import AuthError, ForceDisconnectError, SipDialError

key, secret, url, uri, mode = sys.argv[1:]
ot = Client(key, secret, url)


def refused(kind, f, *args, **named):
    try:
        f(*args, **named)
    except kind as error:
        return str(error)
    raise AssertionError(f"{f} {args} was not refused")


relayed = ot.create_session(media_mode=MediaModes.relayed)
token = relayed.generate_token()
assert "Media Router" in refused(SipDialError, ot.dial, relayed.session_id, token, uri)
session = ot.create_session(media_mode=MediaModes.routed)
sid = session.session_id
refused(AuthError, ot.dial, sid, session.generate_token(role=Roles.subscriber), uri)
token = session.generate_token(role=Roles.moderator, data="sip=true")
refused(SipDialError, ot.dial, sid, token, uri, {"headers": {"Room": "1"}})
options = {"from": "15550100@example.com", "headers": {"X-Room": "42"}, "secure": mode != "plain"}
call = ot.dial(sid, token, uri, options)
assert call.id and call.connectionId and call.streamId

for _ in range(100):
    streams = ot.list_streams(sid)
    if streams.count == 2:
        break
    time.sleep(0.1)
assert any(stream.id == call.streamId for stream in streams), streams
assert ot.get_stream(sid, call.streamId).id == call.streamId
time.sleep(1.5)
assert ot.play_dtmf(sid, call.connectionId, "12p#").status_code == 200
time.sleep(1.7)
assert ot.play_dtmf(sid, None, "9").status_code == 200
ot.send_signal(sid, {"type": "chat", "data": "hello"})
ot.send_signal(sid, {"type": "chat", "data": "hello"}, call.connectionId)
assert ot.mute_stream(sid, call.streamId).status_code == 200
assert ot.mute_all(sid, [call.streamId]).status_code == 200
assert ot.disable_force_mute(sid).status_code == 200
archive = ot.start_archive(sid, name="sdk", has_video=False)
time.sleep(1.5)
assert ot.stop_archive(archive.id).status == "stopped"
for _ in range(50):
    if ot.get_archive(archive.id).status == "available":
        break
    time.sleep(0.1)
assert ot.get_archive(archive.id).status == "available"
ot.force_disconnect(sid, call.connectionId)
refused(ForceDisconnectError, ot.force_disconnect, sid, call.connectionId)

stranger = Client(key, "another secret, which is not the project's own", url)
refused(AuthError, stranger.list_streams, sid)
print("passed")
