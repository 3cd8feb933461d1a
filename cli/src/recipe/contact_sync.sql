-- Keeps the table `contact` of the sync `crm` and the table `member` of the sync `list`
-- equal: who has the same e-mail address, whatever its case, is the same person. For
-- SQLite; to be run once, after both syncs have loaded their records.
--
-- Each trigger writes only where something differs, so two of them never call each other
-- for ever. Deletions stay on the side where they happen.

CREATE INDEX contact_by_email ON contact (lower(email));
CREATE INDEX member_by_email ON member (lower(email));

-- Who is on one side only.
INSERT INTO member (email, first_name, last_name, status)
    SELECT email, first_name, last_name,
           CASE has_opted_out_of_email WHEN 1 THEN 'unsubscribed' ELSE 'subscribed' END
    FROM contact
    WHERE email IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM member WHERE lower(member.email) = lower(contact.email))
    GROUP BY lower(email);
INSERT INTO contact (email, first_name, last_name, has_opted_out_of_email)
    SELECT email, first_name, coalesce(last_name, substr(email, 1, 80)), status = 'unsubscribed'
    FROM member
    WHERE NOT EXISTS (SELECT 1 FROM contact WHERE lower(contact.email) = lower(member.email));

-- Who is on both sides: whoever has left the list stays out, and the CRM's names hold.
UPDATE contact SET has_opted_out_of_email = 1
    WHERE has_opted_out_of_email IS NOT 1
      AND EXISTS (SELECT 1 FROM member
                  WHERE lower(member.email) = lower(contact.email) AND status = 'unsubscribed');
UPDATE member SET (first_name, last_name, status) =
        (SELECT first_name, last_name,
                CASE has_opted_out_of_email WHEN 1 THEN 'unsubscribed' ELSE 'subscribed' END
         FROM contact WHERE lower(contact.email) = lower(member.email) ORDER BY contact.id LIMIT 1)
    WHERE (first_name, last_name, status) IS NOT
        (SELECT first_name, last_name,
                CASE has_opted_out_of_email WHEN 1 THEN 'unsubscribed' ELSE 'subscribed' END
         FROM contact WHERE lower(contact.email) = lower(member.email) ORDER BY contact.id LIMIT 1);

-- From now on: from contacts to members,
CREATE TRIGGER contact_is_new AFTER INSERT ON contact WHEN NEW.email IS NOT NULL BEGIN
    INSERT INTO member (email, first_name, last_name, status)
        SELECT NEW.email, NEW.first_name, NEW.last_name,
               CASE NEW.has_opted_out_of_email WHEN 1 THEN 'unsubscribed' ELSE 'subscribed' END
        WHERE NOT EXISTS (SELECT 1 FROM member WHERE lower(email) = lower(NEW.email));
END;
CREATE TRIGGER contact_has_changed
AFTER UPDATE OF email, first_name, last_name, has_opted_out_of_email ON contact
WHEN NEW.email IS NOT NULL BEGIN
    UPDATE member SET email = NEW.email, first_name = NEW.first_name, last_name = NEW.last_name,
           status = CASE NEW.has_opted_out_of_email WHEN 1 THEN 'unsubscribed' ELSE 'subscribed' END
        WHERE lower(email) = lower(coalesce(OLD.email, NEW.email))
          AND (email, first_name, last_name, status = 'unsubscribed') IS NOT
              (NEW.email, NEW.first_name, NEW.last_name, coalesce(NEW.has_opted_out_of_email, 0));
    INSERT INTO member (email, first_name, last_name, status)
        SELECT NEW.email, NEW.first_name, NEW.last_name,
               CASE NEW.has_opted_out_of_email WHEN 1 THEN 'unsubscribed' ELSE 'subscribed' END
        WHERE NOT EXISTS (SELECT 1 FROM member WHERE lower(email) = lower(NEW.email));
END;

-- and from members to contacts.
CREATE TRIGGER member_is_new AFTER INSERT ON member BEGIN
    INSERT INTO contact (email, first_name, last_name, has_opted_out_of_email)
        SELECT NEW.email, NEW.first_name, coalesce(NEW.last_name, substr(NEW.email, 1, 80)),
               NEW.status = 'unsubscribed'
        WHERE NOT EXISTS (SELECT 1 FROM contact WHERE lower(email) = lower(NEW.email));
END;
CREATE TRIGGER member_has_changed
AFTER UPDATE OF email, first_name, last_name, status ON member BEGIN
    UPDATE contact SET email = NEW.email, first_name = NEW.first_name,
           last_name = coalesce(NEW.last_name, last_name),
           has_opted_out_of_email = NEW.status = 'unsubscribed'
        WHERE lower(email) = lower(OLD.email)
          AND (email, first_name, last_name, coalesce(has_opted_out_of_email, 0)) IS NOT
              (NEW.email, NEW.first_name, coalesce(NEW.last_name, last_name),
               NEW.status = 'unsubscribed');
END;
