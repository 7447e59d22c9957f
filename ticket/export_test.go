package ticket

// SetDraw makes the book draw its numbers from draw.
func (b *Book) SetDraw(draw func() Number) { b.draw = draw }
