package gobuild

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
)

// runtimeAPIOverlay shows the program with one more file, which imports package
// runtimeapi, and both packages below the program's own folder, where no
// go.mod has to know them.
func (b *builder) runtimeAPIOverlay(_ context.Context, files *overlay) error {
	const folder, file = "lambentshim", "zz_lambentshim.go"
	path := b.prog.importPath + "/" + folder
	rename := func(source []byte) []byte {
		return bytes.ReplaceAll(source, []byte(`"`+guestPackage+`"`), []byte(`guest "`+path+`"`))
	}
	dir := filepath.Join(b.dir, folder)
	if err := addSources(files, ".", dir, nil, "serve.go"); err != nil {
		return err
	}
	if err := addSources(files, "runtimeapi", filepath.Join(dir, "runtimeapi"), rename); err != nil {
		return err
	}
	source := fmt.Sprintf("package main\n\nimport _ %q\n", path+"/runtimeapi")
	return files.add(filepath.Join(b.dir, file), []byte(source))
}
