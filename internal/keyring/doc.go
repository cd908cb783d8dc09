// Package keyring keeps the keys that sign certificates, sealed, in one file of
// the data folder: the P-256 keys of codes with their X.509 signer certificates
// (DSC) under a signing CA (SCA), the Ed25519 keys of documents, where a profile
// asks for it the key of DIVOC's format, and where one was imported the key of
// ICAO's seals under the country's passport authority.
//
// There is one current key of each kind. [Ring.Rotate] makes new ones; a retired
// key loses its private half and still verifies what it signed. A SCA is made by
// ourselves at first; a country that has its own uses [Ring.CSR] and
// [Ring.Import].
//
// Validity follows the shell model of WHO's trust network (GDHCN certificate
// governance): a signer certificate never outlives its SCA, and a credential
// must never outlive its signer certificate ([QRKey.NotAfter]).
//
// Several processes may use one ring: writers take turns by a lock on a file,
// and every reader sees a change within a second.
package keyring
