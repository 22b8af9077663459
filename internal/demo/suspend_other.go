//go:build !unix

package demo

import "os"

// suspensions never tells anything: there is no Ctrl-Z.
func suspensions() (pressed <-chan os.Signal, stop func()) { return nil, func() {} }

func suspend() {}
