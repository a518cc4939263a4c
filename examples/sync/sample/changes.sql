UPDATE customers SET email = 'mateo.rivas@example.com' WHERE id = 7;
DELETE FROM customers WHERE id = 22;
INSERT INTO customers (id, first_name, last_name, email, newsletter)
  VALUES (31, 'Yara', 'Haddad', 'yara@example.com', 'subscribed');
