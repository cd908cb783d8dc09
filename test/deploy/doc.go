// Package deploy runs what deploy/ holds: the reverse proxy's configuration with
// a real nginx, and the service's start line as a user that is not root.
package deploy
