#!/usr/bin/env bash
# PostgreSQL for dissent: adapter.sh NAME=CONNINFO.., the primary first.
# SQL does the JSON, so integers stay exact.
declare -A at
for word; do at[${word%%=*}]=${word#*=} names+=${names:+,}\"${word%%=*}\"; done
primary=${1%%=*}

ask() { # REPLICA SQL: runs it there, with the table of the request as t and the request as l
    psql "${at[$1]}" -XqAt -v ON_ERROR_STOP=1 -v id="$id" 2>&1 <<<"select \$l$tag\$$line\$l$tag\$ as l \\gset
        select :'l'::json->'table' as t \\gset
        $2"
}

columns() { # FORMAT: that of every column, one after the other
    echo "(select string_agg(format($1), '') from json_array_elements(:'t'::json->'columns') c)"
}

create="select format('create table %1\$I (%2\$I text primary key, %3\$I bigint, %4\$I bigint%5\$s);
        comment on table %1\$I is %6\$L', j->>'name', j->>'key', j->>'comparison', j->>'op',
    $(columns "', %I %s', c->>'name', case c->>'type' when 'long' then 'bigint' when 'string' then 'text'
        when 'double' then 'double precision' when 'boolean' then 'boolean'
        when 'long-list' then 'bigint[]' when 'string-list' then 'text[]' else 'text' end"),
    'dissent run ' || (:'l'::json->>'run')) from (select :'t'::json) _(j) \\gexec"
merge="case c->>'merge' when 'overwrite' then ', %1\$I = coalesce(excluded.%1\$I, t.%1\$I)'
        when 'ignore' then ', %1\$I = coalesce(t.%1\$I, excluded.%1\$I)'
        when 'append' then ', %1\$I = t.%1\$I || excluded.%1\$I'
        when 'max' then ', %1\$I = greatest(t.%1\$I, excluded.%1\$I)'
        when 'min' then ', %1\$I = least(t.%1\$I, excluded.%1\$I)' end, c->>'name'"
put="select format('insert into %1\$I as t (%2\$I, %3\$I, %4\$I%5\$s) select %6\$L, %7\$s, %8\$s%5\$s
        from json_populate_record(null::%1\$I, %9\$L)
        on conflict (%2\$I) do update set %3\$I = excluded.%3\$I, %4\$I = excluded.%4\$I%10\$s',
    j->>'name', j->>'key', j->>'comparison', j->>'op', $(columns "', %I', c->>'name'"),
    o->>'key', o->>'cmp', o->>'id', o->'cols', $(columns "$merge"))
    from (select :'t'::json, :'l'::json->'op') _(j, o) \\gexec"
delete="select format('delete from %I where %I = %L', j->>'name', j->>'key', :'l'::json#>>'{op,key}')
    from (select :'t'::json) _(j) \\gexec"
rows="select format('with r as (select json_build_object(''key'', %2\$I, ''cmp'', %3\$I, ''op'', %4\$I,
        ''cols'', to_jsonb(t) - array[%2\$L, %3\$L, %4\$L]) as one from %1\$I t)
    select json_build_object(''id'', %5\$s, ''rows'', json_build_array(one)) from r
    union all select json_build_object(''id'', %5\$s, ''end'', true, ''count'', count(*)) from r',
    j->>'name', j->>'key', j->>'comparison', j->>'op', :id) from (select :'t'::json) _(j) \\gexec"
leftovers="select json_build_object('id', :id, 'tables', coalesce(json_agg(json_build_object(
        'name', relname, 'run', substr(obj_description(oid), 13))), '[]'))
    from pg_class where relkind = 'r' and obj_description(oid) like 'dissent run %';"
state="select json_build_object('id', :id, 'status', case when r then 'standby' else 'primary' end,
    'incarnation', (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint, 'position',
    pg_wal_lsn_diff(case when r then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0')::bigint)
    from pg_is_in_recovery() r;"
hello="select '{\"id\":' || :id || ',\"protocol\":1,\"system\":\"PostgreSQL\",\"version\":\"' ||
    current_setting('server_version') || '\",\"replicas\":[$names],\"retains\":\"newest-row\",' ||
    '\"positions\":true,\"lacks\":[\"increment\",\"union\"],\"deletes\":true}';"

while IFS= read -r line; do
    [[ $line =~ ^\{\"id\":([0-9]+),\"do\":\"([a-z-]+)\"(,\"replica\":\"([^\"]+)\")? ]] || exit 1
    id=${BASH_REMATCH[1]} what=${BASH_REMATCH[2]} replica=${BASH_REMATCH[4]:-$primary} tag=$RANDOM$RANDOM
    [[ $what = write && $line == *'"delete":true}}' ]] && what=delete
    case $what in
    hello) sql=$hello ;;
    make-table) sql=$create ;;
    leftovers) sql=$leftovers ;;
    remove) sql="select format('drop table if exists %I', :'t'::json->>'name') \\gexec" ;;
    write) sql=$put ;;
    delete) sql=$delete ;;
    upstream | replica) sql=$state ;;
    rows) sql=$rows ;;
    esac
    said=$(ask "$replica" "$sql")
    case $?,$what in
    0,write | 0,delete) echo "{\"id\":$id,\"outcome\":\"ok\"}" ;;
    3,write | 3,delete) echo "{\"id\":$id,\"outcome\":\"failed\",\"why\":$(jq -Rs . <<<"$said")}" ;;
    0,make-table | 0,remove) echo "{\"id\":$id}" ;;
    0,*) echo "$said" ;;
    *) echo "{\"id\":$id,\"error\":$(jq -Rs . <<<"$said")}" ;;
    esac
done
