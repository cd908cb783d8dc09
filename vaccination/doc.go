// Package vaccination is the domain of divoc: what a source reports ([Event]),
// what we sign about it ([Certificate]), whom it is about ([Person]), what was
// given ([Dose]) and the state a certificate is in ([Status]).
//
// A [Certificate] holds the WHO DDCC core data set for vaccination (DDCC
// implementation guide 1.0.1, logical models DDCCCoreDataSet and
// DDCCCoreDataSetVS), generalised to any vaccine; its JSON and CBOR member
// names are the element names of that model. Every signed format under
// credential/ is an adapter to and from it.
//
// What is not known is said, not invented: a [Date] has a precision and may be
// estimated, a missing batch stays missing.
//
// The package uses the standard library only and has no clock, no randomness
// and no network of its own.
package vaccination
