// Package tlv reads and writes BER-TLV, the tag-length-value objects of
// ISO/IEC 7816-4 section 5.2.2, as smart cards write them. [Find] returns a
// value by the path of its tags, [Next] returns one object after another, and
// [Append] writes an object.
//
// # The subject
//
// An object is a tag, a length and a value. Bit 6 of the tag's first byte means
// that the value consists of objects again. Cards are looser than the DER of a
// certificate, and so is this package:
//
//   - Tags have up to four bytes. The files of an Individual Number Card use
//     private tags of two: FF 20, DF 21.
//   - A length may take more bytes than it needs. The card's own signature
//     file says 82 00 9F for 159, which [encoding/asn1] refuses.
//   - Files are larger than their content and filled up with FF. [Next] reads
//     the first object and returns what follows. [Header] returns the size of
//     an object from its first bytes, before the rest of the file is read.
//
// Indefinite lengths, tags or lengths over four bytes, and objects that end
// beyond their input are errors.
//
// # Reading
//
// [Next] returns the first object. [Find] follows a path of tags. [Walk] visits
// every object of a tree, parents first. Their results point into the input.
// They do not allocate, and their time grows with the length of the input,
// whatever its nesting. Walk stops at [MaxDepth].
//
// # Writing
//
// [Append] appends an object with the shortest form of its length.
// [AppendHeader] appends tag and length only.
package tlv
