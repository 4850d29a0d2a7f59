"""One JSON request a line, one JSON answer a line: {"ok": …} or {"error": "…"}; by way of PyJWT."""

import json
import sys

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms


def sign(alg, claims, kid=None, secret=None, private_pem=None, **_):
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims, secret or private_pem, algorithm=alg, headers=headers)


def verify(alg, token, audience, secret=None, public_pem=None, **_):
    return decode(token, secret or public_pem, alg, audience)


def verify_by_set(jwks, token, audience, **_):
    key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]
    return decode(token, key.key, key.algorithm_name, audience)


def decode(token, key, alg, audience):
    return jwt.decode(token, key, algorithms=[alg], audience=audience, options={"require": ["exp"]})


def new_pair(alg, **_):
    if alg in ("RS256", "PS256"):
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif alg == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key()
    to_jwk = get_default_algorithms()[alg].to_jwk
    pem = serialization.Encoding.PEM
    return {
        "private_pem": private.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        "public_pem": public.public_bytes(
            pem, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode(),
        "private_jwk": json.loads(to_jwk(private)) | {"alg": alg},
        "public_jwk": json.loads(to_jwk(public)) | {"alg": alg},
    }


TASKS = {task.__name__: task for task in (sign, verify, verify_by_set, new_pair)}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": TASKS[request.pop("task")](**request)}
    except Exception as error:  # PyJWT's own, and those of what it is built on
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
