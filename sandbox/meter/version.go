package meter

// Version names what [Rewrite] makes of a module, so that what was made by
// another version is not taken for it. It is the digest of the metered forms of a
// set of programs; a test computes it and says what to write here.
const Version = "29079d90306015a1"
