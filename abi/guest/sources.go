//go:build !wasip1

package guest

import "embed"

// Sources are the files of this package and of package runtimeapi below it, as
// they are built into other people's modules by package gobuild.
//
//go:embed *.go runtimeapi/*.go
var Sources embed.FS
