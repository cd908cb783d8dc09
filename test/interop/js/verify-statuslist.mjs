// Verifies a token status list of ours with jose, given only the public key, and
// reads values from it.
//
// stdin: {"jwt", "jwk", "uri", "now", "indexes"}
// stdout: {"verified", "error", "claims", "header", "values"}
import {importJWK, jwtVerify} from 'jose';
import {readFileSync} from 'node:fs';
import {inflateSync} from 'node:zlib';

async function verify({jwt, jwk, uri, now, indexes}) {
  const {payload, protectedHeader} = await jwtVerify(jwt, await importJWK(jwk, 'EdDSA'), {
    algorithms: ['EdDSA'], typ: 'statuslist+jwt', subject: uri, currentDate: new Date(now), requiredClaims: ['iat', 'status_list'],
  });
  const {bits, lst} = payload.status_list;
  const bytes = inflateSync(Buffer.from(lst, 'base64url'));
  const values = indexes.map(i => {
    const bit = i * bits;
    if(bit >= bytes.length * 8) {
      return -1;
    }
    return bytes[bit >> 3] >> (bit & 7) & ((1 << bits) - 1);
  });
  delete payload.status_list;
  return {verified: true, claims: payload, header: protectedHeader, values};
}

try {
  console.log(JSON.stringify(await verify(JSON.parse(readFileSync(0, 'utf8')))));
} catch(error) {
  console.log(JSON.stringify({verified: false, error: String(error)}));
}
