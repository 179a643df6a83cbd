-- Schema 2: the index of pictures. It is made anew from their records at any time.

CREATE TABLE pictures (
    id INTEGER PRIMARY KEY,
    gallery TEXT NOT NULL,             -- the folder of the pictures
    picture TEXT NOT NULL,             -- the picture's id in it
    words TEXT NOT NULL,               -- what search finds it by
    UNIQUE (gallery, picture)
) STRICT;

-- Full-text index of pictures.words, without a copy of them.
CREATE VIRTUAL TABLE picture_words USING fts5 (words, content = 'pictures', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2');
