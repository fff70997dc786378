package main

import "syscall"

// attributes: a group of its own, and a SIGTERM if the demo is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
