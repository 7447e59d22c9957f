// Package speak is what the programs say in Japanese and in English: which language
// a run is in, its flags and what is wrong with them, and its errors.
//
//	lang := speak.LanguageOf(args, os.Getenv)
//	say := speak.VoiceIn(lang)
//	speak.LangFlag(f, say)
//	f.StringVar(&file, "in", "", say("読み込む`ファイル`", "the `file` to read"))
//	err := speak.Parse(f, args)
package speak
