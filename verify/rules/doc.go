// Package rules says whether a certificate that is genuine is also accepted: by
// the business rules of a country (EU DCC, in CertLogic), and by rules of a
// product such as yellow fever. A certificate is never asked for its rules; who
// verifies brings them.
//
// A rule passes, fails, or stays open where it cannot be decided. Nothing of it
// changes what a certificate is: a genuine one that a country does not accept is
// still genuine.
package rules
