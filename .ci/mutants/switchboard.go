package main

import _ "embed"

// switchboard is what every mutated package gets: the mutant in force and the ways to be one.
//
//go:embed switchboard.go.txt
var switchboard string
