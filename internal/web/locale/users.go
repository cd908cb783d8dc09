//go:build !pseudo

package locale

// Pseudo are languages for tests of the pages alone; a program for users has none.
func Pseudo() []string { return nil }

func addPseudo(*Catalogue) {}
