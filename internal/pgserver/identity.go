package pgserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity is whom PostgreSQL runs as: nil credential for ourselves.
type identity struct{ *syscall.Credential }

func (id identity) other() bool { return id.Credential != nil }

// give makes the identity the owner of a file.
func (id identity) give(path string) error {
	if !id.other() {
		return nil
	}
	return os.Lchown(path, int(id.Uid), int(id.Gid))
}

// identity returns whom PostgreSQL runs as. Only root has a choice, and must
// choose another than itself: the owner of the cluster where there is one, else
// the user that Debian's package made, else nobody. A cluster that root copied
// without keeping the owner is given away again.
func (f folder) identity() (identity, error) {
	me := os.Geteuid()
	info, err := os.Stat(f.cluster())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return identity{}, err
	}
	exists := err == nil
	var owner syscall.Stat_t
	if exists {
		owner = *info.Sys().(*syscall.Stat_t)
	}
	if me != 0 {
		if exists && int(owner.Uid) != me {
			return identity{}, fmt.Errorf("%s belongs to user %d: start divoc as that user or as root", f.cluster(), owner.Uid)
		}
		return identity{}, nil
	}
	if exists && owner.Uid != 0 {
		return identity{&syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}, nil
	}
	id, err := unprivileged()
	if err != nil || !exists {
		return id, err
	}
	return id, giveTree(id, f.cluster())
}

// unprivileged returns the identity of a new cluster. It needs a name: initdb
// refuses a user id that no user has.
func unprivileged() (identity, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return identity{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return identity{}, errors.New("PostgreSQL must not run as root and there is no user postgres or nobody: make one (adduser --system postgres), or start divoc as another user")
}

// giveTree gives a folder away, itself last: a walk cut short is done again.
func giveTree(id identity, root string) error {
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return id.give(path)
	})
	if err != nil {
		return err
	}
	return id.give(root)
}
