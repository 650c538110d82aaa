"""Mail: composed from a service's templates in the recipient's language, sent by SMTP from a job, once per message.

The way of a mail: a servicer leaves it in the outbox in its own transaction (`mails`); the job `mail.send` looks
whether the address is suppressed and has a free slot (`store`), has the service complete it, renders it (`templates`),
composes it (`message`) and hands it to the mail server (`smtp`).
"""
