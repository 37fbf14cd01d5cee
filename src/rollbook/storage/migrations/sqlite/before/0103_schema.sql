-- What a database of before the first schema has besides, and nothing reads.
DROP TRIGGER group_renamed;
DROP TRIGGER user_kind_left;
DROP TRIGGER user_kind_came;
DROP TRIGGER scim_user_erased;
DROP INDEX groups_unspelled;
DROP INDEX keys_created_with;
DROP TABLE password_links;
DROP TABLE server_usage;
DROP TABLE user_words_building;
DROP TABLE user_metadata_building;
UPDATE groups SET search_text = name_key WHERE search_text IS NULL;
DELETE FROM marks WHERE name LIKE 'search.%' OR name = 'second_factor_roles';
