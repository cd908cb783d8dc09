package signin

import "net/http"

func (d *Door) abroad(add func(string, http.HandlerFunc)) { _ = add }
