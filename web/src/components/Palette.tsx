import { openSpotlight, Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight';
import '@mantine/spotlight/styles.css';
import { useMantineColorScheme } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { DistroLogo } from '@/components/DistroLogo';
import { useAvailableImages, useDownloadImage, useImageCatalog, useImages } from '@/hooks/useImages';
import { useVms } from '@/hooks/useMachines';
import { text } from '@/text/en';

// Of each kind, so that the list is quick whatever the library holds.
const MOST = 8;

/** Ctrl-K: images, VMs, pages and actions by the words of their names. */
export default function Palette({ asked }: { asked: number }): ReactNode {
  const [query, setQuery] = useState('');
  const groups = useGroups(query);
  useEffect(() => openSpotlight(), [asked]);
  return (
    <Spotlight
      actions={groups}
      query={query}
      onQueryChange={setQuery}
      filter={(_query, actions) => actions}
      nothingFound={text.palette.nothing}
      shortcut={null}
      scrollable
      maxHeight={420}
      highlightQuery
      // There at once, and taking what is typed: keys that follow Ctrl-K belong to it.
      transitionProps={{ duration: 0 }}
      searchProps={{ autoFocus: true, placeholder: text.palette.placeholder, 'aria-label': text.palette.placeholder, leftSection: <IconSearch size={18} aria-hidden /> }}
    />
  );
}

function useGroups(query: string): SpotlightActionGroupData[] {
  const go = useNavigate();
  const { images } = useImages({ search: query });
  const { entries } = useImageCatalog();
  const { images: available } = useAvailableImages();
  const { vms } = useVms();
  const { mutate: download } = useDownloadImage();
  const { toggleColorScheme } = useMantineColorScheme();
  return useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (label: string): boolean => words.every((word) => label.toLowerCase().includes(word));
    const pages: SpotlightActionData[] = [
      { id: 'to-images', label: text.nav.images, onClick: () => void go({ to: '/storage/images' }) },
      { id: 'to-pools', label: text.nav.pools, onClick: () => void go({ to: '/storage/pools' }) },
      { id: 'to-volumes', label: text.nav.volumes, onClick: () => void go({ to: '/storage/volumes' }) },
      { id: 'to-vms', label: text.nav.vms, onClick: () => void go({ to: '/vms' }) },
      { id: 'to-profiles', label: text.nav.profiles, onClick: () => void go({ to: '/profiles' }) },
      { id: 'to-nodes', label: text.nav.nodes, onClick: () => void go({ to: '/nodes' }) },
      { id: 'to-jobs', label: text.nav.jobs, onClick: () => void go({ to: '/jobs' }) },
      { id: 'to-settings', label: text.nav.settings, onClick: () => void go({ to: '/settings' }) },
    ];
    const actions: SpotlightActionData[] = [
      { id: 'create-vm', label: text.vms.create, onClick: () => void go({ to: '/vms/new' }) },
      { id: 'import', label: text.palette.import, onClick: () => void go({ to: '/storage/images', search: { tab: 'local', dialog: 'import' } }) },
      { id: 'upload', label: text.palette.upload, onClick: () => void go({ to: '/storage/images', search: { tab: 'local', dialog: 'upload' } }) },
      { id: 'theme', label: text.palette.theme, onClick: () => toggleColorScheme() },
      ...(words.length === 0 ? [] : available).map(({ id, name, os }) => ({
        id: `create ${id}`,
        label: text.palette.createFrom(name),
        leftSection: <DistroLogo distribution={os?.distribution ?? ''} size={22} />,
        onClick: () => void go({ to: '/vms/new', search: { image: id } }),
      })),
      ...(words.length === 0 ? [] : entries).map((entry) => ({
        id: `download ${entry.id}`,
        label: text.palette.download(entry.name),
        leftSection: <DistroLogo distribution={entry.os?.distribution ?? ''} size={22} />,
        onClick: () => {
          download({ catalogId: entry.id });
          void go({ to: '/storage/images', search: { tab: 'catalog', q: entry.id } });
        },
      })),
    ];
    const groups: [string, SpotlightActionData[]][] = [
      [text.palette.images, images.slice(0, MOST).map((image) => ({
        id: `image ${image.id}`,
        label: image.name,
        description: image.spec?.os?.distribution,
        leftSection: <DistroLogo distribution={image.spec?.os?.distribution ?? ''} size={22} />,
        onClick: () => void go({ to: '/storage/images/$imageId', params: { imageId: image.id } }),
      }))],
      [text.palette.vms, vms.filter((vm) => fits(vm.name)).slice(0, MOST).map((vm) => ({
        id: `vm ${vm.id}`,
        label: vm.name,
        onClick: () => void go({ to: '/vms/$vmId', params: { vmId: vm.id } }),
      }))],
      [text.palette.pages, pages.filter(({ label }) => fits(label ?? ''))],
      [text.palette.actions, actions.filter(({ label }) => fits(label ?? '')).slice(0, MOST)],
    ];
    return groups.filter(([, found]) => found.length).map(([group, found]) => ({ group, actions: found }));
  }, [query, images, entries, available, vms, go, download, toggleColorScheme]);
}
