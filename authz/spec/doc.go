// Package spec is what people declare: the configuration file and, in the same structs, whatever else declares protected
// resources. Load decodes strictly and reports every problem at once, each with its key path, what was found, what was
// expected and the next step; Snapshot compiles a good file into the form that package authz decides by.
//
// A setting that no code obeys does not exist here: the decoder refuses it.
package spec
