// Verifies a token status list of ours, as a JWT with jose, as a CWT with cbor and
// the cryptography of Node.js, given only the public key, and reads values from it.
//
// stdin: {"jwt" or "cwt" in base64, "jwk", "uri", "now", "indexes"}
// stdout: {"verified", "error", "claims", "header", "values"}
import cbor from 'cbor';
import {importJWK, jwtVerify} from 'jose';
import {createPublicKey, verify as verifySignature} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {inflateSync} from 'node:zlib';

async function ofJWT({jwt, jwk, uri, now}) {
  const {payload, protectedHeader} = await jwtVerify(jwt, await importJWK(jwk, 'EdDSA'), {
    algorithms: ['EdDSA'], typ: 'statuslist+jwt', subject: uri, currentDate: new Date(now), requiredClaims: ['iat', 'status_list'],
  });
  const {bits, lst} = payload.status_list;
  delete payload.status_list;
  return {claims: payload, header: protectedHeader, bits, bytes: inflateSync(Buffer.from(lst, 'base64url'))};
}

function ofCWT({cwt, jwk, uri, now}) {
  const {tag, value: [head, , payload, signature]} = cbor.decodeFirstSync(Buffer.from(cwt, 'base64'));
  const message = cbor.encodeCanonical(['Signature1', head, Buffer.alloc(0), payload]);
  const key = createPublicKey({key: jwk, format: 'jwk'});
  const header = cbor.decodeFirstSync(head), claims = cbor.decodeFirstSync(payload);
  if(tag !== 18 || header.get(1) !== -8 || header.get(16) !== 'application/statuslist+cwt') {
    throw new Error('another kind of token');
  }
  if(!verifySignature(null, message, key, signature)) {
    throw new Error('signature');
  }
  if(claims.get(2) !== uri || claims.get(4) * 1000 <= now) {
    throw new Error('another list, or an old one');
  }
  const {bits, lst} = claims.get(65533);
  return {
    claims: {sub: claims.get(2), iss: claims.get(1), iat: claims.get(6), exp: claims.get(4), ttl: claims.get(65534)},
    header: {alg: 'EdDSA', typ: header.get(16), kid: header.get(4).toString()}, bits, bytes: inflateSync(lst),
  };
}

async function verify(asked) {
  const {claims, header, bits, bytes} = await (asked.cwt ? ofCWT(asked) : ofJWT(asked));
  const values = asked.indexes.map(i => {
    const bit = i * bits;
    if(bit >= bytes.length * 8) {
      return -1;
    }
    return bytes[bit >> 3] >> (bit & 7) & ((1 << bits) - 1);
  });
  return {verified: true, claims, header, values};
}

try {
  console.log(JSON.stringify(await verify(JSON.parse(readFileSync(0, 'utf8')))));
} catch(error) {
  console.log(JSON.stringify({verified: false, error: String(error)}));
}
