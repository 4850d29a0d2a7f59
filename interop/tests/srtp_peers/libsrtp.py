# libsrtp through its own interface in C (srtp2/srtp.h, the same from 2.3 to 2.8): answers a line with a line.
#   SUITE KEY MKI    hex of key and salt, and of the key's identifier or "-"; once, after it has said "ready"
#   p|u|P|U PACKET   protect, unprotect; capitals for RTCP. The answer is the packet in hex, or "-".
import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p, pointer

try:
    lib = ctypes.CDLL("libsrtp2.so.1")
except OSError:
    sys.exit(print("absent"))

# What fills a crypto policy, for RTP and for RTCP: short tags are RTP's alone.
PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": ("rtp_default", "rtcp_default"),
    "AES_CM_128_HMAC_SHA1_32": ("aes_cm_128_hmac_sha1_32", "rtcp_default"),
    "AES_256_CM_HMAC_SHA1_80": ("aes_cm_256_hmac_sha1_80", "aes_cm_256_hmac_sha1_80"),
    "AES_256_CM_HMAC_SHA1_32": ("aes_cm_256_hmac_sha1_32", "aes_cm_256_hmac_sha1_80"),
    "AEAD_AES_128_GCM": ("aes_gcm_128_16_auth", "aes_gcm_128_16_auth"),
    "AEAD_AES_256_GCM": ("aes_gcm_256_16_auth", "aes_gcm_256_16_auth"),
    "NULL_HMAC_SHA1_80": ("null_cipher_hmac_sha1_80", "null_cipher_hmac_sha1_80"),
}
ANY_INBOUND, ANY_OUTBOUND = 2, 3


class Ssrc(Structure):
    _fields_ = [("type", c_int), ("value", c_uint)]


class Crypto(Structure):
    _fields_ = [(name, c_int) for name in ("cipher", "key_len", "auth", "auth_key_len", "tag_len", "services")]


class MasterKey(Structure):
    _fields_ = [("key", c_char_p), ("mki", c_char_p), ("mki_len", c_uint)]


class Policy(Structure):
    _fields_ = [
        ("ssrc", Ssrc),
        ("rtp", Crypto),
        ("rtcp", Crypto),
        ("key", c_char_p),
        ("keys", POINTER(POINTER(MasterKey))),
        ("num_keys", c_ulong),
        ("ekt", c_void_p),
        ("window_size", c_ulong),
        ("allow_repeat_tx", c_int),
        ("enc_xtn_hdr", c_void_p),
        ("enc_xtn_hdr_count", c_int),
        ("next", c_void_p),
    ]


def must(status):
    if status:
        sys.exit(f"libsrtp says {status}")


def session(suite, key, mki, direction):
    policy = Policy(ssrc=Ssrc(direction, 0), window_size=128)
    for name, part in zip(PROFILES[suite], (policy.rtp, policy.rtcp)):
        getattr(lib, "srtp_crypto_policy_set_" + name)(byref(part))
    if mki:
        policy.keys, policy.num_keys = pointer(pointer(MasterKey(key, mki, len(mki)))), 1
    else:
        policy.key = key
    made = c_void_p()
    must(lib.srtp_create(byref(made), byref(policy)))
    return made


def work(name, context, packet, mki):
    buffer = ctypes.create_string_buffer(packet, len(packet) + 256)
    length = c_int(len(packet))
    use = (c_uint(bool(mki)), c_uint(0))[: 2 if name.startswith("srtp_protect") else 1]
    status = getattr(lib, name + "_mki")(context, buffer, byref(length), *use)
    return "-" if status else buffer.raw[: length.value].hex()


must(lib.srtp_init())
print("ready", flush=True)
suite, key, mki = sys.stdin.readline().split()
key, mki = bytes.fromhex(key), bytes.fromhex(mki.strip("-"))
tx = session(suite, key, mki, ANY_OUTBOUND)
rx = session(suite, key, mki, ANY_INBOUND)
tasks = {
    "p": ("srtp_protect", tx),
    "P": ("srtp_protect_rtcp", tx),
    "u": ("srtp_unprotect", rx),
    "U": ("srtp_unprotect_rtcp", rx),
}
for line in sys.stdin:
    task, packet = line.split()
    print(work(*tasks[task], bytes.fromhex(packet), mki), flush=True)
