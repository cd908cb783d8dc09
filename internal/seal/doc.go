// Package seal keeps personal data and signing keys sealed at rest, so that a
// copied data folder or a stolen dump shows no person and signs nothing.
//
// There are three layers. The seal key is a file outside the data folder. It
// opens the keyset, a file in the data folder that holds every other key of the
// installation ([Open]). The keyset's person KEK wraps a key per person
// ([Box.NewPersonKey]): destroying that one wrapped key erases the person, in
// backups of the rest too. All sealing is AES-256-GCM with random nonces, by
// Tink; associated data ties each sealed value to its place ([AAD]).
//
// What has to be found again goes through keyed hashes, one key for each kind
// of value ([Box.Index]), and so do the routing bits of a person ([Box.Bucket])
// and the order of status list indexes ([Box.StatusIndex]). The keys of the last
// two never change: what they gave is in published certificates.
package seal
