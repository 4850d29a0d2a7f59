// One JSON request a line, one JSON answer a line: {"ok": …} or {"error": "…"}; by way of jose.
import { createInterface } from 'node:readline';
import * as jose from 'jose';

const bytes = (secret) => new TextEncoder().encode(secret);

const tasks = {
  sign: async ({ alg, secret, private_pem, kid, claims }) =>
    new jose.SignJWT(claims)
      .setProtectedHeader({ alg, kid })
      .sign(secret ? bytes(secret) : await jose.importPKCS8(private_pem, alg)),

  verify: async ({ alg, secret, public_pem, audience, token }) => {
    const key = secret ? bytes(secret) : await jose.importSPKI(public_pem, alg);
    const options = { algorithms: [alg], audience, requiredClaims: ['exp'] };
    return (await jose.jwtVerify(token, key, options)).payload;
  },

  verify_by_set: async ({ jwks, audience, token }) =>
    (await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), { audience })).payload,

  thumbprint: ({ jwk }) => jose.calculateJwkThumbprint(jwk),

  new_pair: async ({ alg }) => {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    return {
      private_pem: await jose.exportPKCS8(privateKey),
      public_pem: await jose.exportSPKI(publicKey),
      private_jwk: { ...(await jose.exportJWK(privateKey)), alg },
      public_jwk: { ...(await jose.exportJWK(publicKey)), alg },
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await tasks[request.task](request) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
