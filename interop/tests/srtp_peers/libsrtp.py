# libsrtp, as pylibsrtp brings it: answers a line with a line.
#   SUITE KEY        hex of key and salt; once, at the start
#   p|u|P|U PACKET   protect, unprotect; capitals for RTCP. The answer is the packet in hex, or "-".
import sys

from pylibsrtp import Error, Policy, Session

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


def session(suite, key, direction):
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=PROFILES[suite])
    policy.window_size = 128
    return Session(policy=policy)


suite, key = sys.stdin.readline().split()
key = bytes.fromhex(key)
tx = session(suite, key, Policy.SSRC_ANY_OUTBOUND)
rx = session(suite, key, Policy.SSRC_ANY_INBOUND)
tasks = {"p": tx.protect, "P": tx.protect_rtcp, "u": rx.unprotect, "U": rx.unprotect_rtcp}
for line in sys.stdin:
    task, packet = line.split()
    try:
        answer = tasks[task](bytes.fromhex(packet)).hex()
    except Error:
        answer = "-"
    print(answer, flush=True)
