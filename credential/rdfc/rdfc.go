// Package rdfc canonicalises RDF datasets: W3C "RDF Dataset Canonicalization"
// (RDFC-1.0), with a bound on the work.
package rdfc
