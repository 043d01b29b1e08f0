"""What WhatsApp writes in place of what is no text, in the languages that most phones speak.

Parts of patterns, matched whatever the case. On an iPhone a left-to-right mark stands before such
words, so that no list is needed; copies of a chat may have lost it.
"""
# ruff: noqa: RUF001

AFTERNOON = {
    "pm", "nm", "em", "ch", "ös", "du", "μμ", "md", "ptg", "下午", "晚上", "午後", "오후", "م",
}  # fmt: skip

# <Media omitted>
MEDIA = (
    "media|medien|multimedia|multimedi[oa]|médias?|mídia|medya|mediafil|médi[ao]|медиа\\w*|"
    "الوسائط|מדיה|メディア|媒[体體]|多媒[体體]|미디어|मीडिया|omitted|omitid[oa]s?|ocult[oa]s?"
)
# image omitted
THINGS = (
    "image|video|video note|audio|gif|sticker|document|contact card|photo|"
    "bild|dokument|kontaktkarte|imagen|documento|tarjeta de contacto|vidéo|fiche contact|"
    "immagine|scheda contatto|imagem|vídeo|áudio|figurinha|afbeelding|contactkaart|"
    "obraz|wideo|resim|изображение|видео|аудио|стикер|документ"
)
OMITTED = (
    "omitted|weggelassen|omitid[oa]|ocultad[oa]|ocult[oa]|absente?|omise?|omess[oa]|weggelaten|"
    "utelämnad|pominięto|dahil edilmedi|опущен[оа]?|пропущен[оа]?"
)
# IMG-20231231-WA0001.jpg (file attached)
FILE_ATTACHED = (
    "file attached|datei angehängt|archivo adjunto|fichier joint|file allegato|arquivo anexado|"
    "ficheiro anexado|bestand bijgevoegd|plik dołączony|bifogad fil|dosya ekli|файл добавлен|"
    "ملف مرفق|添付ファイル|ファイル添付|附件檔案|文件附件|파일 첨부됨"
)
# <attached: 00000012-PHOTO-2023-12-31.jpg>
ATTACHED = (
    "attached|anhang|adjunto|pièce jointe|allegato|anexado|anexo|bijgevoegd|bifogad|załączono|"
    "ekli|прикреплено|添付ファイル|附件|첨부됨"
)
# This message was deleted
DELETED = (
    "this message was deleted|you deleted this message|message deleted|"
    "diese nachricht wurde gelöscht|du hast diese nachricht gelöscht|"
    "se eliminó este mensaje|eliminaste este mensaje|este mensaje fue eliminado|"
    "ce message a été supprimé|vous avez supprimé ce message|"
    "questo messaggio è stato eliminato|hai eliminato questo messaggio|"
    "mensagem apagada|(?:esta|essa) mensagem foi apagada|(?:você )?apagou (?:esta|essa) mensagem|"
    "dit bericht is verwijderd|(?:u|je) hebt dit bericht verwijderd|"
    "данное сообщение удалено|вы удалили данное сообщение|"
    "bu mesaj silindi|bu mesajı sildiniz|usunięto tę wiadomość|(?:det här )?meddelandet raderades"
)
# <This message was edited>
EDITED = (
    "edited|bearbeitet|editó|editad[oa]|modifié|modificato|bewerkt|изменено|redigerat|redigerades|"
    "düzenlendi|edytowano|编辑|編輯|編集|수정"
)
OTHERS = "null|live location shared|live-standort wird geteilt|ubicación en tiempo real compartida"
