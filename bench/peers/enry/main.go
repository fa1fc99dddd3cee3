// Runs go-enry over the files whose paths come on standard input, one a line, for bench/languages.py.
// Prints language, vendored, documentation and generated per file; then, on standard error, the seconds of
// detection alone and of everything, without the reading of files.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"github.com/go-enry/go-enry/v2"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	root := os.Args[1]
	var detecting, everything time.Duration
	for lines.Scan() {
		path := lines.Text()
		content, err := os.ReadFile(root + "/" + path)
		if err != nil {
			content = nil
		}
		begin := time.Now()
		language := enry.GetLanguage(path, content)
		detecting += time.Since(begin)
		vendored, documentation := enry.IsVendor(path), enry.IsDocumentation(path)
		generated := enry.IsGenerated(path, content)
		everything += time.Since(begin)
		fmt.Fprintf(out, "%s\t%t\t%t\t%t\n", language, vendored, documentation, generated)
	}
	fmt.Fprintf(os.Stderr, "%f %f\n", detecting.Seconds(), everything.Seconds())
}
