// Package tlv reads and writes BER-TLV, the tag-length-value objects of
// ISO/IEC 7816-4 section 5.2.2, as smart cards write them.
//
// # The subject
//
// An object is a tag, a length and a value; bit 6 of the tag's first byte says
// that the value is made of objects again. Cards are looser than the DER of a
// certificate, and so is this package:
//
//   - Tags have up to four bytes. The files of an Individual Number Card use
//     private tags of two: FF 20, DF 21.
//   - A length may take more bytes than it needs. The card's own signature
//     file says 82 00 9F for 159, which [encoding/asn1] refuses.
//   - Files are larger than their content and filled up with FF. [Next] reads
//     the first object and hands back what follows; [Header] tells the size of
//     an object from its first bytes, before the rest of the file is read.
//
// Indefinite lengths, tags or lengths over four bytes, and objects that end
// beyond their input are errors.
//
// # Reading
//
// [Next] takes one object off the front. [Find] follows a path of tags. [Walk]
// visits every object of a tree, parents first. All of them point into the
// input, allocate nothing, and take time in proportion to the input whatever
// its nesting; Walk goes no deeper than [MaxDepth].
//
// # Writing
//
// [Append] adds an object to a slice with the shortest length; [AppendHeader]
// adds tag and length alone.
package tlv
